"""RISC-V and plain C: the same bytes on every instruction set, under qemu-system-riscv32."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.check.verify import verify
from edgemnv2.errors import RunnerError, ToolchainError
from edgemnv2.ops import execute
from edgemnv2.pipeline import compile_graph, compile_model
from edgemnv2.runners import RunnerOptions, make_runner
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target, target_names
from tests.codegen.test_pieces import SHARED_MODELS
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples
from tests.streaming.random_networks import random_graph, random_input

BOARDS = tuple(n for n in target_names() if load_target(n).cpu.isa in ("riscv32", "c99"))
MODEL = "mobilenetv2-0.35-32-int8"


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str]) -> None:
    for name in ("qemu-system-riscv32", "riscv64-unknown-elf-gcc"):
        require_tool(name)


def emulator() -> object:
    return make_runner("qemu-system", RunnerOptions(emulate=True))


def test_the_boards_are_those_that_are_promised() -> None:
    assert set(BOARDS) == {
        *("esp32", "esp32-c3", "esp32-c6", "esp32-p4", "esp32-s3"),
        *("generic-c99", "riscv32-virt"),
    }


@pytest.mark.parametrize("target", BOARDS)
def test_outputs_stack_and_count_come_back(target: str, tmp_path: Path) -> None:
    artifact = make_tiny_artifact(tmp_path / "art", target)
    samples = tiny_samples(3)
    result = emulator().run(artifact, samples, repeat=2, trace=True, layers=True)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)
    assert result.metric == "instructions" and len(set(result.values)) == 1
    assert result.values[0] > 90 and result.layers and len(result.trace) == 18
    assert result.stack_bytes is not None and 16 <= result.stack_bytes < 1024
    is_own = load_target(target).cpu.isa == "riscv32"
    assert is_own != any("compiler is not ours" in note for note in result.notes)


@pytest.mark.parametrize("fault", ["status", "crash", "fence"])
def test_faults_are_told_apart(fault: str, tmp_path: Path) -> None:
    message = {
        "status": "the code answered status -2",
        "crash": r"the core faulted \(CFSR = |did not finish|wrote outside its arena",
        "fence": "wrote outside its arena",
    }[fault]
    artifact = make_tiny_artifact(tmp_path / "art", "riscv32-virt", fault)
    with pytest.raises(RunnerError, match=message):
        emulator().run(artifact, tiny_samples(1))


@pytest.mark.parametrize(
    "target",
    [
        "esp32-c3",
        pytest.param("esp32-p4", marks=pytest.mark.slow(ci=True)),
        pytest.param("generic-c99", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_a_network_is_exact(target: str, tmp_path: Path) -> None:
    artifact = compile_model(MODEL, target, tmp_path / "net")
    found = verify(artifact, emulator(), SampleChoice(random=2, seed=3))
    assert found.exact and found.samples == 2
    is_own = load_target(target).cpu.isa == "riscv32"
    # What no compiler of ours made cannot be measured.
    assert (artifact.manifest.code_bytes > 0) == is_own


@pytest.mark.slow(ci=True)
def test_plain_c_is_the_same_source_for_every_target(tmp_path: Path) -> None:
    sources = []
    for target in ("generic-c99", "esp32", "esp32-c3", "cortex-m0plus"):
        artifact = compile_model(MODEL, target, tmp_path / target)
        sources.append({p.name: p.read_bytes() for p in artifact.files("src")})
    assert all(source == sources[0] for source in sources[1:])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_random_networks_are_exact(seed: int, tmp_path: Path) -> None:
    graph = random_graph(seed, integer=True)
    target = load_target("riscv32-virt")
    artifact = compile_graph(graph, target, tmp_path / "net")
    x = random_input(graph, seed)[None]
    expected = execute.run(graph, x, keep=False)[graph.outputs[0]]
    result = emulator().run(artifact, list(x))
    np.testing.assert_array_equal(result.outputs[0], expected)


def test_no_compiler_of_ours_is_said_of_plain_c() -> None:
    from edgemnv2.codegen.toolchain import find_compiler

    with pytest.raises(ToolchainError, match=r"C99 for a compiler of your own.*src/"):
        find_compiler(load_target("esp32"))


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED_MODELS)
def test_shared_models_are_exact(name: str, shared_data: Path, tmp_path: Path) -> None:
    artifact = compile_model(shared_data / "models" / name, "riscv32-virt", tmp_path / "net")
    found = verify(artifact, emulator(), SampleChoice(random=1, seed=7))
    assert found.exact and found.samples == 1
