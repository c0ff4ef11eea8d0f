"""A stem as it may be: an odd pad, a clamp that bites, zero points off zero; then a second layer.

One and the same network as int8 TFLite, float ONNX and ONNX with QDQ nodes; a few hundred bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.networks.tflite_net import TfliteNet

__all__ = ["FORMATS", "PACKAGES", "padded_clamped"]

FORMATS = ("tflite", "onnx", "qdq")
PACKAGES = {"tflite": "ai_edge_litert", "onnx": "onnxruntime", "qdq": "onnxruntime"}
SIZE, INNER, OUTER = 6, 4, 3
X_SCALE, X_ZERO = 0.05, -20
Y_SCALE, Y_ZERO = 0.1, -10
"""Of the stem: 6 is stored as 50, far from the end of the type."""
W_SCALE = 0.02


def padded_clamped(format_: str) -> tuple[str, bytes]:
    """The end of the file's name, and the file."""
    random = np.random.default_rng(3)
    stem = random.integers(-90, 90, (INNER, 3, 3, 3)).astype(np.int8)
    head = random.integers(-90, 90, (OUTER, 1, 1, INNER)).astype(np.int8)
    bias = random.integers(-500, 500, INNER).astype(np.int32)
    if format_ == "tflite":
        return ".tflite", _tflite(stem, head, bias)
    return ".onnx", _onnx(stem, head, bias, quantised=format_ == "qdq")


def _tflite(stem: Any, head: Any, bias: Any) -> bytes:
    net = TfliteNet()
    x = net.tensor((1, SIZE, SIZE, 3), "int8", X_SCALE, X_ZERO, name="x")
    y = net.tensor((1, SIZE // 2, SIZE // 2, INNER), "int8", Y_SCALE, Y_ZERO, name="stem")
    z = net.tensor((1, SIZE // 2, SIZE // 2, OUTER), "int8", Y_SCALE, 0, name="head")
    operands = [
        x,
        net.constant(stem, scale=W_SCALE),
        net.constant(bias, scale=X_SCALE * W_SCALE),
    ]
    common = {"padding": 0, "dilation_h_factor": 1, "dilation_w_factor": 1}
    net.add(
        "CONV_2D",
        operands,
        [y],
        "Conv2DOptions",
        **common,
        stride_h=2,
        stride_w=2,
        fused_activation_function=3,
    )
    zeros = net.constant(np.zeros(OUTER, np.int32), scale=Y_SCALE * W_SCALE)
    operands = [y, net.constant(head, scale=W_SCALE), zeros]
    net.add("CONV_2D", operands, [z], "Conv2DOptions", **common, stride_h=1, stride_w=1)
    return net.build([x], [z])


def _onnx(stem: Any, head: Any, bias: Any, quantised: bool) -> bytes:
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, values: Any, dtype: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(op: str, inputs: list[str], output: str, **attrs: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], **attrs))
        return output

    def weights(name: str, values: Any) -> str:
        ordered = values.transpose(0, 3, 1, 2)
        if not quantised:
            return constant(name, ordered * np.float32(W_SCALE), np.float32)
        operands = [
            constant(f"{name}.stored", ordered, np.int8),
            constant(f"{name}.scale", W_SCALE, np.float32),
            constant(f"{name}.zero", 0, np.int8),
        ]
        return node("DequantizeLinear", operands, name)

    def rounded(x: str, scale: float, zero: int) -> str:
        if not quantised:
            return x
        operands = [
            constant(f"{x}.scale", scale, np.float32),
            constant(f"{x}.zero", zero, np.int8),
        ]
        stored = node("QuantizeLinear", [x, *operands], f"{x}.stored")
        return node("DequantizeLinear", [stored, *operands], f"{x}.real")

    x = rounded("x", X_SCALE, X_ZERO)
    operands = [
        x,
        weights("stem.w", stem),
        constant("stem.b", bias * np.float32(X_SCALE * W_SCALE), np.float32),
    ]
    y = node("Conv", operands, "conv", strides=[2, 2], pads=[0, 0, 1, 1])
    limits = [constant("low", 0, np.float32), constant("high", 6, np.float32)]
    y = rounded(node("Clip", [y, *limits], "stem"), Y_SCALE, Y_ZERO)
    z = rounded(node("Conv", [y, weights("head.w", head)], "head"), Y_SCALE, 0)
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIZE, SIZE])],
        [helper.make_tensor_value_info(z, TensorProto.FLOAT, [1, OUTER, SIZE // 2, SIZE // 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
