"""Property test: random networks, planned and compiled as they ship, equal the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgemnv2.check.compare import compare
from edgemnv2.memory import planner
from edgemnv2.memory.variants import CHAINS
from edgemnv2.memory.verify import find_fault
from edgemnv2.ops import execute
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import Target, load_target, missing_local_features
from tests.streaming.native_networks import Prepared, Variant, build, prepare, run_fed, run_whole
from tests.streaming.random_networks import HASTY_PLANNER, random_graph, random_input

BATCH = 12


@pytest.fixture(autouse=True)
def _hasty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HASTY_PLANNER.items():
        monkeypatch.setattr(planner, name, value)


def _plain_target() -> Target:
    """A core without any feature: plain kernels everywhere."""
    host = load_target("host")
    return replace(host, cpu=replace(host.cpu, features=frozenset()))


def _variant(seed: int, kind: str) -> Variant:
    """All combinations of the choices follow one another."""
    io = ("arena", "caller")[seed % 2]
    chains = CHAINS[seed // 2 % 3]
    fuse = bool(seed // 6 % 2)
    if kind == "plain":
        return Variant(_plain_target(), ScheduleOptions(fuse=fuse), io, chains)
    if kind == "portable":
        return Variant(load_target("cortex-m0plus"), ScheduleOptions(fuse=fuse), io, chains)
    target = load_target("host")
    rows = (0, 5, 14)[seed % 3]
    return Variant(target, ScheduleOptions(whole_rows_max=rows), io, chains, 64)


# Batches per kind: 324 integer networks in all, a batch of each kind by default.
CASES = [
    *(("plain", True, first) for first in range(0, 12 * BATCH, BATCH)),
    *(("portable", True, first) for first in range(12 * BATCH, 24 * BATCH, BATCH)),
    *(("avx2", True, first) for first in range(24 * BATCH, 27 * BATCH, BATCH)),
    *((kind, False, first) for kind in ("plain", "avx2") for first in (1000, 1000 + BATCH)),
]
FIRST = {kind: next(case for case in CASES if case[:2] == kind) for kind in {x[:2] for x in CASES}}


@pytest.mark.parametrize(
    ("kind", "integer", "first"),
    [
        pytest.param(*case, marks=() if case in FIRST.values() else pytest.mark.slow(ci=True))
        for case in CASES
    ],
)
def test_random_networks_equal_the_reference(
    kind: str,
    integer: bool,
    first: int,
    tmp_path: Path,
    require_tool: Callable[[str], str],
) -> None:
    require_tool("gcc")
    host = load_target("host")
    if kind == "avx2" and missing_local_features(host):
        pytest.skip("this processor has no AVX2")
    networks: list[Prepared] = []
    for seed in range(first, first + BATCH):
        network = prepare(random_graph(seed, integer=integer), _variant(seed, kind))
        for planned in (network.whole, network.stream):
            assert find_fault(planned.program, planned.plan) is None, seed
            assert planned.plan.arena_bytes >= planned.plan.lower_bound_bytes, seed
        networks.append(network)
    library = build(networks, tmp_path, host if kind == "avx2" else None)
    for index, network in enumerate(networks):
        graph = network.graph
        x = random_input(graph, first + index)
        expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
        for run in (run_whole, run_fed):
            actual = run(library, index, network, x)[None]
            found = compare(expected, actual)
            exact = integer and graph.tensors[graph.outputs[0]].dtype != "float32"
            assert found.exact if exact else found.passed, (graph.name, run.__name__, found)
