"""ONNX QDQ files become the same integer layers, whoever wrote the quantise nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.frontend import load_model
from edgemnv2.frontend.network import build_network
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.execute import run, run_layer
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.passes import lower
from tests.conftest import missing

# onnxruntime simulates in floats and rounds once; TFLite's arithmetic rounds twice. Per layer, on
# equal inputs, a few elements in a hundred therefore differ, by one step.
DIFFERING_SHARE = 0.03
SIZE = 32


def float_onnx() -> onnx.ModelProto:
    """A built-in network, width 0.35 at 32x32, written as float ONNX (NCHW)."""
    graph = lower(build_network(0.35, SIZE, classes=10))
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    for layer in graph.layers:
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            depthwise = isinstance(layer, DepthwiseConv2D)
            weight = layer.weight[..., np.newaxis] if depthwise else layer.weight
            order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            plain = layer.clamp == (-np.inf, np.inf)
            y = layer.output if plain else f"{layer.output}.sum"
            operands = [
                layer.inputs[0],
                constant(f"{layer.name}.w", weight.transpose(order)),
                constant(f"{layer.name}.b", layer.bias),
            ]
            nodes.append(
                helper.make_node(
                    "Conv",
                    operands,
                    [y],
                    layer.name,
                    strides=list(layer.stride),
                    pads=list(layer.padding),
                    group=weight.shape[2] if depthwise else 1,
                )
            )
            if not plain:
                bounds = [
                    constant(f"{layer.name}.{end}", np.float32(value))
                    for end, value in zip(("low", "high"), layer.clamp, strict=True)
                ]
                nodes.append(
                    helper.make_node("Clip", [y, *bounds], [layer.output], f"{layer.name}.clip")
                )
        elif isinstance(layer, Add):
            nodes.append(helper.make_node("Add", list(layer.inputs), [layer.output], layer.name))
        else:
            nodes.append(
                helper.make_node("GlobalAveragePool", list(layer.inputs), [layer.output], "pool")
            )
    nodes.append(helper.make_node("Flatten", ["classifier"], ["logits"], "flatten"))
    proto = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])],
        constants,
    )
    return helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


SCHEMES = {
    "int8, per channel": ("QInt8", "QInt8", True),
    "uint8 activations, per channel": ("QUInt8", "QInt8", True),
    "uint8, per tensor": ("QUInt8", "QUInt8", False),
}


def image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (1, 3, SIZE, SIZE)).astype(np.float32)


@pytest.fixture(scope="module", params=SCHEMES)
def quantised(request: Any, tmp_path_factory: Any) -> Path:
    try:
        import onnxruntime  # noqa: F401
    except ImportError:
        missing(request.config, "onnxruntime")
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.images: Iterator[int] = iter(range(4))

        def get_next(self) -> dict[str, np.ndarray] | None:
            seed = next(self.images, None)
            return None if seed is None else {"input": image(seed)}

    folder = tmp_path_factory.mktemp("qdq")
    onnx.save(float_onnx(), folder / "float.onnx")
    activations, weights, per_channel = SCHEMES[request.param]
    quantize_static(
        folder / "float.onnx",
        folder / "qdq.onnx",
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=per_channel,
        activation_type=getattr(QuantType, activations),
        weight_type=getattr(QuantType, weights),
    )
    path: Path = folder / "qdq.onnx"
    return path


def simulated(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    """Every quantised activation of the file, by tensor name, as onnxruntime simulates it."""
    import onnxruntime

    model = onnx.load(path)
    names = [x.output[0] for x in model.graph.node if x.op_type == "QuantizeLinear"]
    for name in names:
        model.graph.output.append(helper.make_empty_tensor_value_info(name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(names, {"input": x})
    return {
        name.removesuffix("_QuantizeLinear_Output"): value
        for name, value in zip(names, values, strict=True)
    }


def as_stored(value: np.ndarray, graph: Graph, name: str) -> np.ndarray:
    """An onnxruntime activation in the layout and storage of our tensor."""
    tensor = graph.tensors[name]
    value = value.reshape(1, tensor.channels, tensor.height, tensor.width).transpose(0, 2, 3, 1)
    shift = 128 if value.dtype == np.uint8 and tensor.dtype == "int8" else 0
    return (value.astype(np.int16) - shift).astype(tensor.dtype)


def test_layers_are_integer_with_float_ends(quantised: Path) -> None:
    graph = lower(load_model(quantised))
    assert isinstance(graph.layers[0], Quantize) and graph.layers[0].rounding == "even"
    assert isinstance(graph.layers[-1], Dequantize)
    assert graph.is_integer
    assert not any(isinstance(layer, Rescale) for layer in graph.layers)
    inner = [x for x in graph.tensors.values() if x.name not in (*graph.inputs, *graph.outputs)]
    assert {x.dtype for x in inner} == {"int8"}
    assert len(graph.layers) == 64 + 2


def test_each_layer_agrees_with_onnxruntime_on_its_own_inputs(quantised: Path) -> None:
    graph = lower(load_model(quantised))
    values = simulated(quantised, image(9))
    compared = 0
    for layer in graph.layers[1:-1]:
        # The QDQ nodes name tensors after the float file's; the classifier is flattened there.
        if any(x not in values for x in (*layer.inputs, layer.output)):
            continue
        inputs = [as_stored(values[x], graph, x) for x in layer.inputs]
        expected = as_stored(values[layer.output], graph, layer.output)
        difference = run_layer(graph, layer, inputs).astype(int) - expected
        assert np.abs(difference).max() <= 1, layer.name
        assert np.mean(difference != 0) <= DIFFERING_SHARE, layer.name
        compared += 1
    assert compared >= 60


def test_the_whole_network_follows_the_float_one(quantised: Path) -> None:
    graph = lower(load_model(quantised))
    x = image(9)
    ours = run(graph, x.transpose(0, 2, 3, 1))[graph.outputs[0]].reshape(-1)
    real = lower(build_network(0.35, SIZE, classes=10))
    expected = run(real, x.transpose(0, 2, 3, 1))["classifier"].reshape(-1)
    assert np.corrcoef(ours, expected)[0, 1] > 0.95
