"""Networks of any ends: several inputs and outputs, numbers, floats between integers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.cli.main import main
from edgemnv2.errors import InputError
from edgemnv2.export.qdq_file import with_int8_ends
from edgemnv2.frontend import load_model
from edgemnv2.ops.execute import by_source, run
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.quantizer.quantize import Quantized, quantize
from edgemnv2.samples.images import Samples, to_source
from edgemnv2.samples.inputs import InputSet, random_set
from tests.meaning import forms
from tests.networks.float_ends import detector_like, dynamic_range, segmenter_like, two_floats

NETWORKS: dict[str, Callable[[], bytes]] = {
    "detector": detector_like,
    "dynamic range": dynamic_range,
    "segmenter": segmenter_like,
    "two": two_floats,
}
Made = tuple[Graph, InputSet, Quantized]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    found = {}
    for name, write in NETWORKS.items():
        path = tmp_path_factory.mktemp("float") / "net.tflite"
        path.write_bytes(write())
        graph = lower(load_model(path))
        inputs = random_set(graph, 6, seed=1)
        found[name] = graph, inputs, quantize(graph, inputs)
    return found


def in_onnxruntime(blob: bytes, graph: Graph, inputs: InputSet) -> list[Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(blob, options, providers=["CPUExecutionProvider"])
    assert [x.name for x in session.get_outputs()] == [x.name for x in graph.output_specs]
    runs = [
        session.run(
            None,
            {x.name: to_source(inputs.arrays[x.name][i : i + 1], x) for x in graph.input_specs},
        )
        for i in range(len(inputs))
    ]
    return [np.concatenate(values) for values in zip(*runs, strict=True)]


@pytest.mark.parametrize("name", NETWORKS)
def test_onnxruntime_gives_our_outputs(
    name: str, made: dict[str, Made], require_module: Any
) -> None:
    require_module("onnxruntime")
    graph, inputs, result = made[name]
    ours = by_source(result.graph, run(result.graph, inputs.arrays, keep=False))
    theirs = in_onnxruntime(result.onnx, graph, inputs)
    for spec, wanted in zip(result.graph.output_specs, theirs, strict=True):
        mine = to_source(ours[spec.name], spec).reshape(wanted.shape)
        assert mine.dtype == wanted.dtype
        # Floats between integers are summed in another order; that may turn a close decision.
        off = np.abs(mine.astype(np.float64) - wanted) > 1e-5 * np.abs(wanted).max()
        assert off.mean() <= (1e-3 if result.to_dict()["stays_float"] else 0)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_output_has_its_figures(name: str, made: dict[str, Made]) -> None:
    graph, _, result = made[name]
    record = json.loads(json.dumps(result.to_dict()))
    assert [x["name"] for x in record["outputs"]] == [x.name for x in graph.output_specs]
    assert record["agreement"] == record["outputs"][0]["agreement"]
    assert record["output_snr_db"] == record["outputs"][0]["output_snr_db"]
    for end in record["outputs"]:
        assert end["agreement"] > 60
        assert end["output_snr_db"] is None or end["output_snr_db"] > 20
    whole = [x["output_snr_db"] is None for x in record["outputs"]]
    assert whole == [x.dtype != "float32" for x in graph.output_specs]


def test_layers_that_stay_in_floats_are_told_with_the_reason(made: dict[str, Made]) -> None:
    stays = made["segmenter"][2].to_dict()["stays_float"]
    assert stays
    assert all("linear Resize" in reason for reason in stays.values())
    for name in ("detector", "dynamic range", "two"):
        result = made[name][2]
        assert result.to_dict()["stays_float"] == {}
        assert result.graph.is_integer


@pytest.mark.parametrize("name", NETWORKS)
def test_int8_ends_hold_the_same_integers(name: str, made: dict[str, Made], tmp_path: Path) -> None:
    graph, inputs, result = made[name]
    path = tmp_path / "ends.onnx"
    path.write_bytes(with_int8_ends(result.onnx))
    back = lower(load_model(path))
    stored = {}
    for spec in back.input_specs:
        assert spec.dtype == "int8"
        quant = back.tensors[back.inputs[back.input_specs.index(spec)]].known_quant
        steps = np.rint(inputs.arrays[spec.name] / np.float32(quant.scale)) + quant.zero_point
        stored[spec.name] = np.clip(steps, -128, 127).astype(np.int8)
    found = run(back, stored, keep=False)
    wanted = run(result.graph, inputs.arrays, keep=False)
    ends = zip(back.outputs, result.graph.outputs, graph.output_specs, strict=True)
    for mine, other, spec in ends:
        values = found[mine]
        if spec.dtype == "float32":
            quant = back.tensors[mine].known_quant
            values = (values.astype(np.float32) - quant.zero_point) * np.float32(quant.scale)
        np.testing.assert_array_equal(
            values.reshape(-1), wanted[other].reshape(-1), err_msg=spec.name
        )


def test_the_verb_takes_several_inputs_and_tells_every_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], made: dict[str, Made]
) -> None:
    (tmp_path / "net.tflite").write_bytes(two_floats())
    graph, inputs, _ = made["two"]
    arrays = {x.name: to_source(inputs.arrays[x.name], x) for x in graph.input_specs}
    np.savez(tmp_path / "x.npz", **arrays)
    words = ["quantize", str(tmp_path / "net.tflite"), "--inputs", str(tmp_path / "x.npz")]
    words += ["-o", str(tmp_path / "q.onnx"), "--no-cache", "--io", "float32"]
    assert main(words) == 0
    said = capsys.readouterr().out
    for spec in graph.output_specs:
        assert f"{spec.name}: " in said
    assert (tmp_path / "q.onnx").read_bytes() == made["two"][2].onnx


def test_samples_of_one_input_suit_no_network_of_two(made: dict[str, Made]) -> None:
    graph, inputs, _ = made["two"]
    one = Samples(inputs.arrays["image"], inputs.names)
    with pytest.raises(InputError, match="samples of one input for 'image', 'state'"):
        quantize(graph, one)
    chosen = inputs.select([4, 1])
    assert chosen.names == (inputs.names[4], inputs.names[1])
    for name, array in chosen.arrays.items():
        np.testing.assert_array_equal(array, inputs.arrays[name][[4, 1]])


@pytest.mark.parametrize("ending", ["", "Sigmoid"])
def test_of_one_channel_the_sides_of_its_threshold_agree(ending: str, tmp_path: Path) -> None:
    graph = lower(load_model(forms.one_map(tmp_path, ending)))
    inputs = random_set(graph, 6, seed=2)
    result = quantize(graph, inputs)
    (end,) = result.ends
    assert end.output_snr_db is not None
    if not ending:
        assert result.agreement is None
        return
    before, after = (
        by_source(one, run(one, inputs.arrays, keep=False))["out"] for one in (graph, result.graph)
    )
    assert end.agreement_of == "same side of the threshold"
    same = 100 * float(np.mean((before >= 0.5) == (after >= 0.5)))
    # Calibrated and evaluated on the same few.
    assert end.agreement == pytest.approx(same)
    assert 50 < same < 100


def test_of_one_number_the_class_of_two_agrees(tmp_path: Path) -> None:
    graph = lower(load_model(forms.two_classes(tmp_path)))
    inputs = replace(random_set(graph, 6, seed=2), labels=np.array([0, 1, 0, 1, 0, 1]))
    result = quantize(graph, inputs)
    assert result.ends[0].agreement_of == "same class first"
    assert result.agreement is not None
    before = by_source(graph, run(graph, inputs.arrays, keep=False))["out"].ravel()
    assert result.float_accuracy is not None
    found = (before > 0.5).astype(int)
    assert result.float_accuracy.top1 == pytest.approx(100 * np.mean(found == inputs.labels))
    assert result.outputs.shape[-1] == 1
