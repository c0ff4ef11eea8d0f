"""Our networks written as other engines' files: their outputs are ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.benchmark.engines.engine import fit_sample
from edgemnv2.benchmark.engines.table import make_peer, write_model
from edgemnv2.cli.main import main
from edgemnv2.errors import UsageError
from edgemnv2.export.quantities import activation_of
from edgemnv2.frontend import load_model
from edgemnv2.ops import execute
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.target import load_target, missing_local_features
from tests.networks.onnx_net import one_operator
from tests.streaming.random_networks import random_graph

RequireModule = Callable[[str], None]
MODULES = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "ncnn": "ncnn"}


def sample_of(graph: Graph) -> np.ndarray:
    tensor = graph.tensors[graph.inputs[0]]
    random = np.random.default_rng(7)
    shape = (1, *tensor.shape)
    if tensor.dtype == "float32":
        return random.standard_normal(shape).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    return random.integers(limits.min, limits.max, shape, dtype=tensor.dtype, endpoint=True)


def outputs(graph: Graph, x: np.ndarray) -> np.ndarray:
    """Real values, flat."""
    tensor = graph.tensors[graph.outputs[0]]
    stored = execute.run(graph, x, keep=False)[tensor.name].reshape(-1)
    if tensor.dtype == "float32":
        return stored
    return (stored.astype(np.float64) - tensor.quant.zero_point) * tensor.quant.scale


@pytest.mark.parametrize("peer", list(MODULES))
@pytest.mark.parametrize("name", ["mobilenetv2-0.35-96", "digits"])
def test_float_networks_agree(
    peer: str, name: str, tmp_path: Path, require_module: RequireModule
) -> None:
    require_module(MODULES[peer])
    graph = lower(load_model(name))
    x = sample_of(graph)
    engine = make_peer(peer, write_model(peer, graph, tmp_path), 1, {graph.inputs[0]: x})
    engine.infer()
    expected = outputs(graph, x)
    # Sums in another order: a few units in the last place of float32, grown through 53 layers.
    assert np.abs(engine.outputs()[0] - expected).max() <= 1e-5 * np.abs(expected).max()


SPREAD = {
    "dilated": ((4, 3, 3, 3), {"dilations": [2, 3], "pads": [2, 3, 2, 3]}, 3),
    "grouped": ((6, 2, 3, 3), {"group": 2, "pads": [1, 1, 1, 1]}, 4),
    "depthwise": ((4, 1, 3, 3), {"group": 4, "dilations": [2, 2], "pads": [2, 2, 2, 2]}, 4),
}


@pytest.mark.parametrize("kind", SPREAD)
@pytest.mark.parametrize("peer", list(MODULES))
def test_dilation_and_groups_are_written(
    peer: str, kind: str, tmp_path: Path, require_module: RequireModule
) -> None:
    require_module(MODULES[peer])
    shape, attributes, channels = SPREAD[kind]
    weight = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    path = tmp_path / "net.onnx"
    path.write_bytes(one_operator("Conv", (1, channels, 9, 8), {"w": weight}, **attributes))
    graph = lower(load_model(path))
    x = sample_of(graph)
    engine = make_peer(peer, write_model(peer, graph, tmp_path), 1, {graph.inputs[0]: x})
    engine.infer()
    # Channels first or last: the same values.
    expected = np.sort(outputs(graph, x))
    assert np.abs(np.sort(engine.outputs()[0]) - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("peer", ["litert", "onnxruntime"])
@pytest.mark.parametrize("name", ["ssdlite-mobilenetv2-64-0.35", "deeplabv3-mobilenetv2-33-0.35"])
def test_a_detector_and_a_segmenter_agree_in_every_output(
    peer: str, name: str, tmp_path: Path, require_module: RequireModule
) -> None:
    require_module(MODULES[peer])
    graph = lower(load_model(name))
    x = sample_of(graph)
    engine = make_peer(peer, write_model(peer, graph, tmp_path), 1, {graph.inputs[0]: x})
    engine.infer()
    values = execute.run(graph, x, keep=False)
    for output, theirs in zip(graph.outputs, engine.outputs(), strict=True):
        ours = values[output].reshape(-1)
        if ours.dtype.kind == "f":
            assert np.abs(theirs - ours).max() <= 1e-5 * np.abs(ours).max()
        else:
            # Two channels of a pixel may be as near as a rounding.
            assert np.mean(theirs == ours) > 0.999


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv2-0.35-96-int8",
        "ssdlite-mobilenetv2-64-0.35-int8",
        "deeplabv3-mobilenetv2-33-0.35-os8-aspp-int8",
        "fomo_face_detection.tflite",
    ],
)
def test_reference_kernels_of_litert_give_our_bytes(
    name: str, tmp_path: Path, require_module: RequireModule, request: pytest.FixtureRequest
) -> None:
    require_module("ai_edge_litert")
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    source: str | Path = name
    if name.endswith(".tflite"):
        source = request.getfixturevalue("shared_data") / "models" / name
    graph = lower(load_model(source))
    assert graph.format == "tflite"
    x = sample_of(graph)
    model = write_model("litert", graph, tmp_path)
    interpreter = Interpreter(
        model_path=str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    values = execute.run(graph, x, keep=False)
    for output, detail in zip(graph.outputs, interpreter.get_output_details(), strict=True):
        stored = interpreter.get_tensor(detail["index"]).reshape(-1)
        np.testing.assert_array_equal(stored, values[output].reshape(-1))


@pytest.mark.usefixtures("exact_onnxruntime")
@pytest.mark.parametrize("name", ["mobilenetv2-0.35-96-int8", "digits-int8"])
@pytest.mark.parametrize("peer", ["litert", "onnxruntime"])
def test_int8_networks_agree_up_to_roundings(
    peer: str, name: str, tmp_path: Path, require_module: RequireModule
) -> None:
    """Also where the arithmetic is the other engine's: LiteRT rounds an ONNX network twice."""
    require_module(MODULES[peer])
    graph = lower(load_model(name))
    x = sample_of(graph)
    engine = make_peer(peer, write_model(peer, graph, tmp_path), 1, {graph.inputs[0]: x})
    engine.infer()
    expected = outputs(graph, x)
    correlation = np.corrcoef(engine.outputs()[0], expected)[0, 1]
    # One step off in single layers; a wrong scale or zero point leaves no correlation.
    assert correlation > 0.99


def test_clamps_that_others_have_no_word_for_are_refused() -> None:
    graph = random_graph(3, integer=False)
    out = next(t for t in graph.tensors.values() if t.dtype == "float32")
    assert activation_of(out, (0.0, 6.0), "x") == "relu6"
    assert activation_of(out, (0.0, np.inf), "x") == "relu"
    with pytest.raises(UsageError, match=r"x: a clamp to \(-1\.0, 1\.0\) has no name"):
        activation_of(out, (-1.0, 1.0), "x")


def test_an_integer_network_is_nothing_for_ncnn(tmp_path: Path) -> None:
    graph = lower(load_model("mobilenetv2-0.35-96-int8"))
    with pytest.raises(UsageError, match=r"is no float32 network \(give model=FILE\.param\)"):
        write_model("ncnn", graph, tmp_path)


def test_weights_of_uint8_models_are_refused(tmp_path: Path) -> None:
    graph = lower(load_model("mobilenetv2-0.35-96-int8"))
    layers = tuple(
        replace(x, weight=x.weight.astype(np.int16)) if isinstance(x, Conv2D) else x
        for x in graph.layers
    )
    with pytest.raises(UsageError, match="its weights are int16, as of uint8 models"):
        write_model("litert", replace(graph, layers=layers), tmp_path)


def test_samples_are_given_in_the_engines_own_form() -> None:
    x = np.arange(-6, 6, dtype=np.int8).reshape(1, 2, 2, 3)
    unsigned = fit_sample(x, (1, 2, 2, 3), np.dtype("uint8"), nchw=False)
    assert (unsigned.astype(int) - 128 == x).all()
    assert (fit_sample(unsigned, (1, 2, 2, 3), np.dtype("int8"), nchw=False) == x).all()
    planes = fit_sample(x, (1, 3, 2, 2), np.dtype("int8"), nchw=True)
    assert (planes[0, 1] == x[0, :, :, 1]).all()
    other = fit_sample(x, (1, 3, 4, 4), np.dtype("float32"), nchw=True)
    assert other.shape == (1, 3, 4, 4) and other.std() > 0.1


def test_without_a_model_each_engine_gets_the_artefacts_own_network(
    tmp_path: Path, require_module: RequireModule, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in MODULES.values():
        require_module(module)
    target = load_target("host")
    if missing_local_features(target):
        pytest.skip("this processor has no AVX2")
    graph = lower(load_model("digits"))
    compile_graph(graph, target, tmp_path / "net", CompileOptions(threads=1))
    arguments = ["bench", str(tmp_path / "net"), "--against", "litert,onnxruntime,ncnn"]
    assert main([*arguments, "--repeat", "3", "--json"]) == 0
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    for peer in MODULES:
        figures = result["against"][peer]
        assert figures["model"] == "" and figures["ratio"] > 0
        assert figures["max_abs_error"] <= 1e-5 * result["max_abs_output"]
    assert main([*arguments, "--repeat", "3"]) == 0
    screen = capsys.readouterr().out
    assert all(text in screen for text in ("ours / theirs", "max |difference|", "ncnn 1"))
