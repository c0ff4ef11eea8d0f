"""The public API: every name is there, documented and typed, and gives what the reference gives."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgemnv2
from edgemnv2.errors import ArtifactError, InputError, UsageError
from tests.networks.several_ends import two_heads, two_inputs

NAMES = [name for name in edgemnv2.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "two.tflite"
    path.write_bytes(two_inputs())
    return path


@pytest.fixture(scope="module")
def compiled(model: Path) -> edgemnv2.OpenArtifact:
    return edgemnv2.compile(model, "host", model.parent / "net", threads=1, tune_logs=None)


def random_inputs(network: edgemnv2.Network, count: int = 1) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        x.name: random.integers(-128, 128, (count, *x.sample_shape)).astype(x.dtype)
        for x in network.inputs
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_with_a_docstring_and_types(name: str) -> None:
    found = getattr(edgemnv2, name)
    assert inspect.getdoc(found)
    members = [found] if inspect.isfunction(found) else vars(found).values()
    for member in members:
        if inspect.isfunction(member) and not member.__name__.startswith("_"):
            assert inspect.getdoc(member), member.__qualname__
            assert "return" in member.__annotations__, member.__qualname__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'moon'"):
        edgemnv2.moon  # noqa: B018
    assert set(NAMES) <= set(dir(edgemnv2))


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, edgemnv2; print([m for m in ('numpy', 'tvm', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_artefact_gives_what_the_reference_gives(
    model: Path, compiled: edgemnv2.OpenArtifact
) -> None:
    network = edgemnv2.load(model)
    for count in (1, 3):
        inputs = random_inputs(network, count)
        wanted, found = network.reference(inputs), compiled.run(inputs)
        assert list(wanted) == list(found) == [x.name for x in network.outputs]
        for spec in network.outputs:
            assert wanted[spec.name].shape == (count, *spec.shape[1:])
            assert wanted[spec.name].dtype == spec.dtype
            np.testing.assert_array_equal(found[spec.name], wanted[spec.name])


def test_a_sample_may_leave_its_batch_out(compiled: edgemnv2.OpenArtifact) -> None:
    inputs = random_inputs(compiled.network)
    alone = compiled.run({name: x[0] for name, x in inputs.items()})
    for name, whole in compiled.run(inputs).items():
        np.testing.assert_array_equal(alone[name], whole)


def test_verify_and_bench_take_a_folder_or_what_was_opened(
    model: Path, compiled: edgemnv2.OpenArtifact
) -> None:
    samples = edgemnv2.SampleChoice(random=2, seed=3)
    for artifact in (compiled, compiled.path, str(compiled.path)):
        result = edgemnv2.verify(artifact, samples, model=model)
        assert result.passed and result.exact and result.samples == 2
        assert [x.name for x in result.outputs] == [x.name for x in compiled.outputs]
    assert edgemnv2.bench(compiled, repeat=2).metric == "seconds"


def test_another_model_is_no_reference(compiled: edgemnv2.OpenArtifact, tmp_path: Path) -> None:
    (tmp_path / "other.tflite").write_bytes(two_heads())
    with pytest.raises(ArtifactError, match=r"was compiled from two\.tflite"):
        edgemnv2.verify(compiled, model=tmp_path / "other.tflite")


def test_unsuitable_inputs_are_refused_by_name(compiled: edgemnv2.OpenArtifact) -> None:
    inputs = random_inputs(compiled.network)
    with pytest.raises(InputError, match="no array named 'state'"):
        compiled.run({"image": inputs["image"]})
    with pytest.raises(InputError, match=r"'state' is float32 \(must be int8\)"):
        compiled.run({**inputs, "state": inputs["state"].astype(np.float32)})
    with pytest.raises(InputError, match="different numbers of samples"):
        compiled.run({**inputs, "state": np.concatenate([inputs["state"]] * 2)})


def test_errors_speak_of_arguments(compiled: edgemnv2.OpenArtifact) -> None:
    with pytest.raises(UsageError, match=r"^threads=9: "):
        edgemnv2.verify(compiled, threads=9)
    with pytest.raises(UsageError, match="give one of them, or runner="):
        edgemnv2.verify(compiled, place=edgemnv2.Place(ssh="a@b", serial="/dev/ttyX"))
