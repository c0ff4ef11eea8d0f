"""`digits-int8`: as good as the float network, and the same on this machine, an M7 and in firmware.

`compile digits` takes it wherever a target runs int8 only.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.check.run import run as run_artifact
from edgemnv2.cli.main import main
from edgemnv2.errors import UsageError
from edgemnv2.firmware.bundle import bundle
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import run as run_reference
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.passes import lower
from edgemnv2.pipeline import compile_model
from edgemnv2.runners import make_runner
from edgemnv2.samples import digits
from edgemnv2.samples.digit_samples import has_heldout, heldout_samples
from edgemnv2.samples.images import default_preset
from edgemnv2.samples.inputs import SampleChoice, choose_inputs
from tests.firmware.firmware_harness import boot, build_cmake, cross_cmake, run, verdict

LEAST_TOP1 = 97.0
MOST_BYTES = 1_000_000
M7 = "mps2-an500"
DOZEN = SampleChoice(images=digits.IMAGES)


def shown_classes() -> list[int]:
    with (digits.IMAGES / "labels.csv").open(newline="") as stream:
        return [int(row["class_index"]) for row in csv.DictReader(stream)]


def lowered(name: str) -> Graph:
    return lower(load_model(name))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model("digits-int8", "host", tmp_path_factory.mktemp("host") / "net")


@pytest.fixture(scope="module")
def m7(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return compile_model("digits", M7, tmp_path_factory.mktemp("m7") / "net")


def test_the_file_is_small_standard_qdq_with_integer_ends() -> None:
    assert digits.INT8_MODEL.stat().st_size < MOST_BYTES
    model = onnx.load(digits.INT8_MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert {x.domain for x in model.opset_import} == {""}
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.INT8
    assert lowered("digits-int8").is_integer


@pytest.mark.parametrize("name", ["digits", "digits-int8"])
def test_held_out_digits_are_recognised_with_the_preset_that_needs_no_flag(name: str) -> None:
    graph = lowered(name)
    samples = choose_inputs(graph, SampleChoice(), default_preset(graph))
    assert samples.labels is not None and len(samples) == 360
    scores = run_reference(graph, samples.arrays, keep=False)[graph.outputs[0]].reshape(360, -1)
    assert 100 * (scores.argmax(axis=1) == samples.labels).mean() >= LEAST_TOP1


def test_float_and_int8_network_agree_on_the_held_out_digits() -> None:
    classes = []
    for name in ("digits", "digits-int8"):
        graph = lowered(name)
        samples = heldout_samples("digits", graph.tensors[graph.inputs[0]], default_preset(graph))
        scores = run_reference(graph, samples.x, keep=False)[graph.outputs[0]]
        classes.append(scores.reshape(360, -1).argmax(axis=1))
    assert (classes[0] == classes[1]).mean() >= LEAST_TOP1 / 100


def test_onnxruntime_gives_the_same_classes(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(digits.INT8_MODEL, providers=["CPUExecutionProvider"])
    images, labels = digits.heldout()
    stored = (images.astype(np.int16) - 128).astype(np.int8).transpose(0, 3, 1, 2)
    classes = [session.run(None, {"input": x[np.newaxis]})[0].argmax() for x in stored]
    assert 100 * (np.array(classes) == labels).mean() >= LEAST_TOP1


def test_a_target_without_float_gets_the_int8_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", "digits", "--target", M7, "-o", str(tmp_path / "net")]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        "model      digits-int8 (the int8 network of 'digits': mps2-an500 runs int8 only)"
    )
    manifest = load_artifact(tmp_path / "net").manifest
    assert manifest.model.source == "digits-int8" and manifest.preprocess == "raw"
    assert manifest.inputs[0].dtype == manifest.outputs[0].dtype == "int8"


def test_a_linux_target_gets_the_float_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "net")
    assert main(["compile", "digits", "--target", "host", "-o", folder]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "model      digits"
    manifest = load_artifact(tmp_path / "net").manifest
    assert manifest.model.source == "digits" and manifest.preprocess == "keras"
    # No inputs named: the held-out images.
    assert main(["verify", folder, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["samples"] == 360 and result["top1"] >= LEAST_TOP1


@pytest.mark.slow(ci=True)
def test_host_m7_and_reference_give_the_dozen_the_same_classes(
    host: Artifact, m7: Artifact, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    on_host = run_artifact(host, make_runner("local"), DOZEN)
    on_m7 = run_artifact(m7, make_runner("qemu-system"), DOZEN)
    graph = lowered("digits-int8")
    samples = choose_inputs(graph, DOZEN, default_preset(graph))
    expected = run_reference(graph, samples.arrays, keep=False)[graph.outputs[0]].reshape(12, -1)
    assert np.array_equal(next(iter(on_host.outputs.values())).reshape(12, -1), expected)
    assert np.array_equal(next(iter(on_m7.outputs.values())).reshape(12, -1), expected)
    assert [p.classes[0] for p in on_m7.predictions] == shown_classes()


@pytest.mark.slow
def test_m7_recognises_all_held_out_digits(
    m7: Artifact, capsys: pytest.CaptureFixture[str], require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    assert main(["verify", str(m7.path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["exact"] and result["samples"] == 360 and result["top1"] >= LEAST_TOP1


def test_firmware_proves_itself_with_a_held_out_digit(
    m7: Artifact, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    for tool in ("cmake", "gcc", "arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    bundle(m7, "cmake", tmp_path / "net")
    source = next((tmp_path / "net").rglob("*_selftest_data.c")).read_text()
    assert source.startswith("/* Input heldout_000 ")
    expected = values_of(source, "expected_output")
    # What the board compares with is the right class.
    assert expected.argmax() == digits.heldout()[1][0]
    assert np.array_equal(values_of(source, "input_input") + 128, digits.heldout()[0][0].ravel())
    assert verdict(boot(cross_cmake(tmp_path / "net"), m7.target.machine)) == "PASS"
    assert verdict(run([build_cmake(tmp_path / "net")], tmp_path)) == "PASS"


def values_of(source: str, name: str) -> np.ndarray:
    body = source.split(f"{name}[] ALIGNED = {{", 1)[1].split("}", 1)[0]
    return np.array([int(word) for word in body.split(",")])


def test_held_out_samples_are_for_the_built_in_names_alone() -> None:
    assert has_heldout("digits") and has_heldout("digits-int8")
    assert not has_heldout("digits.onnx") and not has_heldout("mobilenetv2-0.35-96")
    tensor = Tensor("input", 32, 32, 1, "float32")
    assert len(heldout_samples("digits", tensor, "keras", limit=5)) == 5
    with pytest.raises(UsageError, match="limit=0: expected at least 1"):
        heldout_samples("digits", tensor, "keras", limit=0)


@pytest.mark.slow
def test_the_recipe_makes_such_a_network_twice_the_same(
    tmp_path: Path, require_module: Callable[[str], None]
) -> None:
    require_module("sklearn")
    from edgemnv2.lab.quantize_digits import heldout_classes, quantized_digits

    (data, found), (again, _) = quantized_digits(), quantized_digits()
    assert data == again
    assert found.calibration_samples == 96 and found.preprocess == digits.PREPROCESS
    path = tmp_path / "made.onnx"
    path.write_bytes(data)
    images, labels = digits.heldout()
    made, shipped = heldout_classes(images, path), heldout_classes(images, digits.INT8_MODEL)
    assert 100 * (made == labels).mean() >= LEAST_TOP1
    assert 100 * (made == shipped).mean() >= LEAST_TOP1
