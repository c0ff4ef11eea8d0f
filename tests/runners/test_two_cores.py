"""Two cores on QEMU's Musca-B1: the same bytes, half the instructions, an arena that fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.benchmark.latency import random_sample
from edgemnv2.check.verify import verify
from edgemnv2.errors import UsageError
from edgemnv2.ops import execute
from edgemnv2.pipeline import CompileOptions, compile_graph, compile_model
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.runners.base import Runner
from edgemnv2.runners.qemu_system import emulated_board
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target
from tests.streaming.random_networks import random_graph, random_input

SMALL = "mobilenetv2-0.35-32-int8"
BOTH = CompileOptions(threads=2)


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str]) -> None:
    for name in ("qemu-system-arm", "arm-none-eabi-gcc"):
        require_tool(name)


def emulator() -> Runner:
    return make_runner("qemu-system", RunnerOptions(emulate=True))


def counted(artifact: Artifact, threads: int) -> float:
    result = emulator().run(artifact, [random_sample(artifact, 1)], repeat=2, threads=threads)
    # At the marks, which are the first core's, the other one may be a few instructions on.
    assert max(result.values) <= 1.001 * min(result.values)
    return result.values[0]


@pytest.mark.parametrize(
    ("target", "io"),
    [
        ("rpi-pico2", "arena"),
        pytest.param("rpi-pico", "arena", marks=pytest.mark.slow(ci=True)),
        pytest.param("musca-b1", "caller", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_both_cores_give_the_bytes_of_one(target: str, io: str, tmp_path: Path) -> None:
    options = CompileOptions(threads=2, io=io)
    artifact = compile_model(SMALL, target, tmp_path / "net", options)
    for threads in (1, 2):
        found = verify(artifact, emulator(), SampleChoice(random=3, seed=5), threads=threads)
        assert found.exact and found.samples == 3


@pytest.mark.slow(ci=True)
def test_the_busier_core_does_little_more_than_half(tmp_path: Path) -> None:
    one = compile_model("mobilenetv2-0.35-96-int8", "rpi-pico2", tmp_path / "one")
    two = compile_model("mobilenetv2-0.35-96-int8", "rpi-pico2", tmp_path / "two", BOTH)
    assert two.manifest.threads_arena_bytes[2] <= 1.25 * one.arena_bytes
    assert counted(two, 2) <= 0.55 * counted(one, 1)


@pytest.mark.parametrize("seed", range(3))
def test_random_networks_are_exact_on_both_cores(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed, integer=True)
    options = CompileOptions(threads=2, io=("arena", "caller")[seed % 2])
    artifact = compile_graph(graph, load_target("musca-b1"), tmp_path / "net", options)
    x = random_input(graph, seed)
    expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
    for result in emulator().run(artifact, [x, x], threads=2).outputs:
        np.testing.assert_array_equal(result, expected)


def test_a_program_for_two_cores_runs_where_there_are_two() -> None:
    for name in ("rpi-pico", "rpi-pico2"):
        board = emulated_board(load_target(name), 2)
        assert board is not None and board.cpu.cores == 2
        alone = emulated_board(load_target(name))
        assert alone is not None and alone.cpu.cores == 1


def test_one_core_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="threads=2: nucleo-h743zi has one core"):
        compile_model(SMALL, "nucleo-h743zi", tmp_path / "a", BOTH)
    with pytest.raises(UsageError, match="threads=3: expected 1 or 2 on rpi-pico"):
        compile_model(SMALL, "rpi-pico", tmp_path / "b", CompileOptions(threads=3))
    alone = compile_model(SMALL, "rpi-pico", tmp_path / "c")
    with pytest.raises(UsageError, match=r"has plans for 1, not for 2 \(compile threads=2\)"):
        emulator().run(alone, [random_sample(alone, 0)], threads=2)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["mobilenetv2-1.0-224-int8", "mobilenetv2-0.5-160-int8"])
def test_the_same_for_large_networks(model: str, tmp_path: Path) -> None:
    one = compile_model(model, "rpi-pico2", tmp_path / "one")
    two = compile_model(model, "rpi-pico2", tmp_path / "two", BOTH)
    assert verify(two, emulator(), SampleChoice(random=1, seed=2), threads=2).exact
    assert two.manifest.threads_arena_bytes[2] <= 1.25 * one.arena_bytes
    assert counted(two, 2) <= 0.55 * counted(one, 1)
