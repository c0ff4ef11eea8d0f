"""Property test: random networks with several ends, planned in every way, equal NumPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.memory import planner
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.variants import CHAINS, plan_graph, thread_chains
from edgemnv2.memory.verify import find_fault
from edgemnv2.streaming.bands import make_bands
from edgemnv2.target import load_target, missing_local_features
from tests.streaming.random_toys import random_toy
from tests.streaming.toy_artifacts import build, run

PLANNED = range(40)
RUN = range(10)


@pytest.fixture(autouse=True)
def _hasty_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the planner searches changes the size of its plans, not whether they are right."""
    for name, value in (("CHAIN_TRIES", 2), ("JOINT_TRIES", 3), ("REFINE_FACTOR", 1)):
        monkeypatch.setattr(planner, name, value)


def test_the_sample_is_worth_something() -> None:
    toys = [random_toy(seed) for seed in PLANNED]
    ops = [op for toy in toys for op in toy.rows.ops]
    assert {len(toy.rows.inputs) for toy in toys} == {1, 2, 3}
    assert {len(toy.rows.outputs) for toy in toys} >= {1, 2, 3, 4}
    assert any(write.rows > 1 for op in ops for write in op.writes)
    assert any(write.part_bytes for op in ops for write in op.writes)
    assert any(read.divisor > 1 for op in ops for read in op.reads)
    assert any(read.spacing > 1 for op in ops for read in op.reads)
    assert any(len(op.writes) > 1 for op in ops)
    # An output that later operations read.
    assert any(
        read.tensor in toy.rows.outputs for toy in toys for op in toy.rows.ops for read in op.reads
    )


@pytest.mark.parametrize("chains", CHAINS)
@pytest.mark.parametrize(
    "io",
    [
        "arena",
        pytest.param("input", marks=pytest.mark.slow(ci=True)),
        pytest.param("caller", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_every_plan_holds(io: str, chains: str) -> None:
    for seed in PLANNED:
        rows = random_toy(seed).rows
        for planned in plan_graph(rows, io, chains, 8):
            assert find_fault(planned.program, planned.plan) is None, seed
            assert planned.plan.arena_bytes >= planned.plan.lower_bound_bytes, seed


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_every_plan_for_threads_holds(threads: int) -> None:
    """`plan_threads` runs the independent check."""
    for seed in PLANNED:
        rows = random_toy(seed).rows
        for chains in ("blocks", "layers"):
            program = make_bands(rows, thread_chains(rows, chains), {}, threads)
            plan_threads(program, lambda step, ops=rows.ops: ops[step.op].scratch_bytes, 8)


@pytest.mark.parametrize("seed", RUN)
def test_they_compute_what_numpy_does(
    seed: int, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    toy = random_toy(seed)
    io, chains = ("arena", "caller")[seed % 2], CHAINS[seed % 3]
    threads = (2, 4) if io == "caller" else ()
    built = build(toy, target, tmp_path, io, chains, threads)
    sample = toy.inputs(seed)
    values = toy.run(sample)
    for way in ({}, {"rows": True}, *({"threads": count} for count in threads)):
        (result,) = run(built, [sample], **way)
        for name in toy.rows.outputs:
            assert (result[name] == values[name]).all(), (name, way)
