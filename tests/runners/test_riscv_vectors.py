"""RV64GCV: the reference's bytes whatever the length of the vectors, and a refusal without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.artifact import Artifact
from edgemnv2.check.verify import verify
from edgemnv2.errors import RunnerError
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.target import load_target
from tests.runners.tiny_artifact import make_tiny_artifact, tiny_samples

# The first of them builds a C library.
pytestmark = pytest.mark.slow(ci=True)

TARGET = "rv64gcv"
MODEL = "digits-int8"
VLENS = (128, 256)
INTEGER_MODELS = ("ei_mask-tflite.tflite", "fomo_face_detection.tflite")


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str], require_module: Callable[[str], None]) -> None:
    require_tool("qemu-riscv64")
    require_module("ziglang")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model(MODEL, TARGET, tmp_path_factory.mktemp("rv64") / "net")


def on_core(artifact: Artifact, machine: str) -> Artifact:
    """The same code on another of QEMU's cores."""
    return replace(artifact, target=replace(artifact.target, machine=machine))


def with_vlen(artifact: Artifact, bits: int) -> Artifact:
    """The same code on a core whose vectors have so many bits."""
    machine = artifact.target.machine
    assert machine.endswith("vlen=128")
    return on_core(artifact, machine.replace("vlen=128", f"vlen={bits}"))


def test_a_program_runs(tmp_path: Path) -> None:
    tiny = make_tiny_artifact(tmp_path / "tiny", TARGET)
    samples = tiny_samples(2)
    result = make_runner("qemu-user").run(tiny, samples)
    for sample, output in zip(samples, result.outputs, strict=True):
        np.testing.assert_array_equal(output, sample + 1)


@pytest.mark.parametrize("bits", VLENS)
def test_a_network_is_exact_for_every_vector_length(artifact: Artifact, bits: int) -> None:
    found = verify(
        with_vlen(artifact, bits), make_runner("qemu-user"), SampleChoice(random=2, seed=1)
    )
    assert found.exact and found.samples == 2


def test_a_core_without_vectors_is_refused(artifact: Artifact) -> None:
    plain = on_core(artifact, "rv64,v=false")
    with pytest.raises(RunnerError, match="processor"):
        verify(plain, make_runner("qemu-user"), SampleChoice(random=1))


@pytest.mark.slow
@pytest.mark.parametrize("bits", VLENS)
@pytest.mark.parametrize("name", INTEGER_MODELS)
def test_real_models_are_exact(name: str, bits: int, shared_data: Path, tmp_path: Path) -> None:
    artifact = compile_model(shared_data / "models" / name, TARGET, tmp_path / "net")
    found = verify(with_vlen(artifact, bits), make_runner("qemu-user"), SampleChoice(random=1))
    assert found.exact


def test_the_target_is_what_linux_calls_it() -> None:
    target = load_target(TARGET)
    assert target.needs == ("v",) and not target.is_bare_metal
    assert target.tvm_target().attrs["mabi"] == "lp64d"
