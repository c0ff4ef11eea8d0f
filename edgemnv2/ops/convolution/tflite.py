"""Import rules of TFLite: convolutions and fully connected layers."""

from __future__ import annotations

from math import prod

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor
from edgemnv2.ops.tflite_terms import finish, spatial

__all__ = ["RULES"]


def conv_2d(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(0), _weights(node)
    _one_arithmetic(source, weight)
    _, kh, kw, inner = weight.shape
    attrs = {
        **spatial(node, source, (kh, kw)),
        "groups": source.shape[-1] // inner,
        "data_layout": "NHWC",
        "kernel_layout": "OHWI",
    }
    operands = [flow.real(source), flow.stored(weight, axis=0), *_bias(node, flow)]
    finish(node, flow, "conv2d", operands, attrs)


def depthwise_conv_2d(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(0), _weights(node)
    _one_arithmetic(source, weight)
    attrs = {
        **spatial(node, source, (weight.shape[1], weight.shape[2])),
        "groups": source.shape[-1],
        "data_layout": "NHWC",
        "kernel_layout": "IHWO",
    }
    operands = [flow.real(source), flow.stored(weight, axis=3), *_bias(node, flow)]
    finish(node, flow, "conv2d", operands, attrs)


def fully_connected(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(0), _weights(node)
    _one_arithmetic(source, weight)
    outer, inner = weight.shape
    rows = prod(source.shape) // inner
    matrix = flow.stored(weight, axis=0)
    assert not isinstance(matrix, str)
    flat = flow.real(source)
    if source.shape != (rows, inner):
        shape = (rows, inner)
        flat = flow.step("reshape", flat, source, to_shape=shape, shape=shape)
    operands = [flat, matrix.transpose((1, 0)), *_bias(node, flow)]
    if node.output.shape == (rows, outer):
        finish(node, flow, "matmul", operands)
        return
    product = flow.add("matmul", operands, flow.fresh(node.output, shape=(rows, outer)))
    finish(node, flow, "reshape", [product], {"shape": node.output.shape})


def _weights(node: SourceNode) -> SourceTensor:
    node.value(1, "weights")
    return node.input(1)


def _bias(node: SourceNode, flow: FlowBuilder) -> list[str | Constant]:
    if node.optional(2) is None:
        return []
    node.value(2, "bias")
    return [flow.stored(node.input(2))]


def _one_arithmetic(source: SourceTensor, weight: SourceTensor) -> None:
    if source.dtype == "int16":
        raise Refusal(
            "int16 activations", "convert the model with int8 activations", "Integers have 8 bits"
        )
    if source.is_quantized and not weight.is_quantized:
        raise Refusal(
            f"{source.dtype} activations and {weight.dtype} weights",
            "quantise both, or neither",
            "Weights of quantised activations are quantised",
        )
    values = weight.value
    if values is not None and weight.dtype == "float32" and not np.isfinite(values).all():
        raise Refusal(f"weights {weight.name!r} that are no numbers", "train the model again")


RULES: dict[str, Rule] = {
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
}
