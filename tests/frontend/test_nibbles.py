"""Integers of four and two bits: what frameworks store weights in, held in eight bits here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgemnv2.errors import UnsupportedOperator
from edgemnv2.frontend import load_model
from tests.networks.against import litert, onnxruntime_outputs, random_samples, reference
from tests.networks.compiled import verified
from tests.networks.tflite_net import TfliteNet

ENDS = {"INT4": (-8, 7), "UINT4": (0, 15)}
WIDE = {"INT8": (-128, 127), "UINT8": (0, 255)}
SHAPE = (1, 3, 6, 5)


@pytest.fixture(autouse=True)
def _frameworks(require_module: Callable[[str], None]) -> None:
    require_module("onnxruntime")
    require_module("ai_edge_litert")


def narrow(name: str, kind: str, shape: tuple[int, ...], seed: int) -> Any:
    """A constant over the whole range of the type."""
    low, high = (ENDS | WIDE)[kind]
    values = np.random.default_rng(seed).integers(low, high, shape, endpoint=True)
    return helper.make_tensor(name, getattr(TensorProto, kind), shape, values.ravel().tolist())


def file_of(nodes: list[Any], constants: list[Any], opset: int = 21, domain: str = "") -> bytes:
    ends = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE),
        helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
    ]
    for node in nodes:
        node.domain = domain if node.op_type.endswith("Linear") else ""
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
    return bytes(model.SerializeToString())


def array(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values), name)


def weights(kind: str, several: bool, form: str) -> tuple[list[Any], list[Any]]:
    """A convolution whose weights are stored so; `form` says where the integers stand."""
    random = np.random.default_rng(4)
    node = helper.make_node
    scale = random.uniform(0.02, 0.1, 8).astype(np.float32) if several else np.float32(0.05)
    constants = [array("s", scale), narrow("z", kind, (8,) if several else (), 1)]
    stored = narrow("w", kind, (8, 3, 3, 3), 2)
    nodes = [node("DequantizeLinear", ["w", "s", "z"], ["real"], axis=0)]
    if form == "initializer":
        constants.append(stored)
    elif form == "node":
        nodes.insert(0, node("Constant", [], ["w"], value=stored))
    else:  # floats that a quantise node rounds, some of them beyond the ends
        constants.append(array("f", random.normal(size=(8, 3, 3, 3)).astype(np.float32) * 0.3))
        nodes.insert(0, node("QuantizeLinear", ["f", "s", "z"], ["w"], axis=0))
    return [*nodes, node("Conv", ["x", "real"], ["y"], pads=[1] * 4)], constants


def assert_close(blob: bytes, folder: Path) -> None:
    samples = random_samples(SHAPE, "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, folder)
    theirs = onnxruntime_outputs(blob, samples)[0].reshape(ours.shape)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("form", ["initializer", "node", "quantised"])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("kind", list(ENDS))
def test_weights_are_onnxruntimes(kind: str, several: bool, form: str, tmp_path: Path) -> None:
    assert_close(file_of(*weights(kind, several, form)), tmp_path)


def test_onnxruntimes_own_operators_of_older_files(tmp_path: Path) -> None:
    """What `quantize_static` writes below opset 21, where the standard has no such type."""
    assert_close(file_of(*weights("INT4", True, "initializer"), 17, "com.microsoft"), tmp_path)


@pytest.mark.parametrize("by", ["zero point", "attribute"])
@pytest.mark.parametrize("kind", [*ENDS, *WIDE])
def test_activations_saturate_at_the_ends_of_their_type(kind: str, by: str, tmp_path: Path) -> None:
    node = helper.make_node
    constants = [array("s", np.float32(0.3)), narrow("z", kind, (), 3)]
    ends, attrs = ["s", "z"], {}
    if by == "attribute":
        ends, attrs = ["s"], {"output_dtype": getattr(TensorProto, kind)}
        constants.pop()
    nodes = [
        node("QuantizeLinear", ["x", *ends], ["q"], **attrs),
        node("DequantizeLinear", ["q", *ends], ["y"]),
    ]
    blob = file_of(nodes, constants)
    samples = random_samples(SHAPE, "float32", 3, 0)
    _, ours = reference(blob, ".onnx", samples, tmp_path)
    theirs = onnxruntime_outputs(blob, samples)[0].reshape(ours.shape)
    np.testing.assert_array_equal(ours, theirs)
    steps = np.unique(np.rint(ours / np.float32(0.3)))
    assert len(steps) > 12 and (kind in WIDE or steps.max() - steps.min() == 15)
    assert verified(blob, ".onnx", "host", tmp_path).passed


def test_a_cast_to_them_is_refused_by_name(tmp_path: Path) -> None:
    node = helper.make_node
    nodes = [
        node("Cast", ["x"], ["q"], to=TensorProto.INT4),
        node("DequantizeLinear", ["q", "s"], ["y"]),
    ]
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of(nodes, [array("s", np.float32(1))]))
    with pytest.raises(UnsupportedOperator, match="int4"):
        load_model(path)


def packed(values: Any) -> Any:
    """As TFLite stores them: two in a byte, the first in the low half."""
    flat = np.append(values.ravel(), np.zeros(values.size % 2, np.int8)).view(np.uint8) & 15
    return flat[::2] | flat[1::2] << 4


@pytest.mark.parametrize("depth", [8, 7])
@pytest.mark.parametrize("operator", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"])
def test_tflite_weights_are_litert(operator: str, depth: int, tmp_path: Path) -> None:
    net = TfliteNet()
    full = operator == "FULLY_CONNECTED"
    x_shape = (1, depth) if full else (1, 5, 5, depth)
    w_shape = {
        "CONV_2D": (6, 3, 3, depth),
        "DEPTHWISE_CONV_2D": (1, 3, 3, depth),
        "FULLY_CONNECTED": (6, depth),
    }[operator]
    channels = depth if operator == "DEPTHWISE_CONV_2D" else 6
    random = np.random.default_rng(depth)
    values = random.integers(-8, 8, w_shape).astype(np.int8)
    scales = [0.03] if full else random.uniform(0.01, 0.05, channels)
    x = net.tensor(x_shape, "int8", 0.1, 3)
    axis = 3 if operator == "DEPTHWISE_CONV_2D" else 0
    w = net.tensor(w_shape, "int4", scales, data=packed(values), axis=axis)
    bias = net.constant(random.integers(-90, 90, channels).astype(np.int32), scale=0.003)
    y = net.tensor((1, 6) if full else (1, 5, 5, channels), "int8", 0.2, -4)
    options = {
        "CONV_2D": ("Conv2DOptions", {"stride_h": 1, "stride_w": 1}),
        "DEPTHWISE_CONV_2D": (
            "DepthwiseConv2DOptions",
            {"stride_h": 1, "stride_w": 1, "depth_multiplier": 1},
        ),
        "FULLY_CONNECTED": ("FullyConnectedOptions", {}),
    }[operator]
    net.add(operator, [x, w, bias], [y], options[0], **options[1])
    blob = net.build([x], [y])
    samples = random_samples(x_shape, "int8", 3, 0)
    _, ours = reference(blob, ".tflite", samples, tmp_path)
    np.testing.assert_array_equal(ours, litert(blob, samples)[0].reshape(ours.shape))
    assert verified(blob, ".tflite", "host", tmp_path).passed


def test_the_files_are_read_as_onnx_writes_them() -> None:
    """The constants above hold both ends of their types."""
    for kind, ends in ENDS.items():
        values = numpy_helper.to_array(narrow("w", kind, (8, 3, 3, 3), 2)).astype(int)
        assert (values.min(), values.max()) == ends
        assert onnx.TensorProto.DataType.Name(narrow("w", kind, (2,), 2).data_type) == kind
