"""Networks with several ends, dilation, concatenation, resizing: planned, verified, run, compared.

DeepLab's and SSD's ways through the row program in small, one with two heads and one with inputs of
three shapes; by the programs that ship, on this machine, on an emulated Cortex-M7 and a Raspberry
Pi 4, on several threads, and with the image fed by rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from edgemnv2.memory.variants import plan_graph
from edgemnv2.memory.verify import find_fault
from edgemnv2.target import load_target, missing_local_features
from tests.streaming.toy_artifacts import Built, build, run
from tests.streaming.toys import TOYS

COUNTS = (1, 2, 4)
NAMES = sorted(TOYS)
LONGEST_LATER = [
    pytest.param(x, marks=pytest.mark.slow(ci=True) if x == "ssd" else ()) for x in NAMES
]


def _check(built: Built, emulator: Sequence[str], counts: Sequence[int]) -> None:
    toy = built.toy
    samples = [toy.inputs(seed) for seed in range(2)]
    ways = [{"rows": True}, *({"threads": count} for count in counts)]
    for way in ways:
        results = run(built, samples, emulator, **way)
        for sample, result in zip(samples, results, strict=True):
            values = toy.run(sample)
            for name in toy.rows.outputs:
                assert (result[name] == values[name]).all(), (toy.name, name, way)


@pytest.mark.parametrize(
    "io",
    ["arena", *(pytest.param(x, marks=pytest.mark.slow(ci=True)) for x in ("input", "caller"))],
)
@pytest.mark.parametrize("chains", ["memory", "blocks", "layers"])
@pytest.mark.parametrize("name", LONGEST_LATER)
def test_plans_hold(name: str, chains: str, io: str) -> None:
    toy = TOYS[name]()
    for planned in plan_graph(toy.rows, io, chains, 8):
        assert find_fault(planned.program, planned.plan) is None
        assert planned.plan.lower_bound_bytes <= planned.plan.arena_bytes


@pytest.mark.parametrize("name", LONGEST_LATER)
def test_on_this_machine(name: str, tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    for io in ("arena", "caller"):
        folder = tmp_path / io
        folder.mkdir()
        counts = COUNTS if io == "caller" else (1,)
        _check(build(TOYS[name](), target, folder, io, threads=counts[1:]), (), counts)


@pytest.mark.parametrize("name", NAMES)
def test_on_a_raspberry_pi(name: str, tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    emulator = [require_tool("qemu-aarch64"), "-cpu", load_target("rpi4").machine]
    target = load_target("rpi4")
    built = build(TOYS[name](), target, tmp_path, "caller", "blocks", COUNTS[1:])
    _check(built, emulator, COUNTS)


@pytest.mark.parametrize("name", LONGEST_LATER)
def test_on_a_cortex_m7(name: str, tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("arm-none-eabi-gcc")
    emulator = [require_tool("qemu-system-arm")]
    _check(build(TOYS[name](), load_target("mps2-an500"), tmp_path, "arena"), emulator, (1,))
