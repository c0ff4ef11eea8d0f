"""Import rules of TFLite: convolutions and fully connected layers."""

from __future__ import annotations

from math import prod

import numpy as np

from edgemnv2.model import DYNAMIC_RANGE
from edgemnv2.ops.flow import Constant
from edgemnv2.ops.matrix_product.product import add_product, turned
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor
from edgemnv2.ops.tflite_terms import activation_of, finish, same_padding, spatial

__all__ = ["RULES"]


def conv_2d(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(0), _weights(node, flow, axis=0)
    _one_arithmetic(node, flow, source, weight)
    _, kh, kw, inner = weight.values.shape
    attrs = {
        **spatial(node, source, (kh, kw)),
        "groups": source.shape[-1] // inner,
        "data_layout": "NHWC",
        "kernel_layout": "OHWI",
    }
    operands = [flow.real(source), weight, *_bias(node, flow)]
    finish(node, flow, "conv2d", operands, attrs)


def depthwise_conv_2d(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(0), _weights(node, flow, axis=3)
    _one_arithmetic(node, flow, source, weight)
    attrs = {
        **spatial(node, source, (weight.values.shape[1], weight.values.shape[2])),
        "groups": source.shape[-1],
        "data_layout": "NHWC",
        "kernel_layout": "IHWO",
    }
    operands = [flow.real(source), weight, *_bias(node, flow)]
    finish(node, flow, "conv2d", operands, attrs)


def fully_connected(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants; or both operands are computed, without a bias."""
    if not isinstance(flow.stored(node.input(1)), Constant):
        _product_of_two(node, flow)
        return
    source, matrix = node.input(0), _weights(node, flow, axis=0)
    _one_arithmetic(node, flow, source, matrix)
    outer, inner = matrix.values.shape
    rows = prod(source.shape) // inner
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


def _product_of_two(node: SourceNode, flow: FlowBuilder) -> None:
    """Scores of attention and the like, which converters write as a layer, too."""
    source, other, output = node.input(0), node.input(1), node.output
    left, right = flow.real(source), flow.real(other)
    if isinstance(left, Constant) or isinstance(right, Constant):
        raise Refusal("a constant left operand", "write the product the other way round")
    bias = [] if node.optional(2) is None else [flow.real(node.input(2))]
    if bias and (output.is_quantized or not isinstance(bias[0], Constant)):
        raise Refusal(
            f"computed weights {other.name!r} and a bias", "add the bias in an operator of its own"
        )
    inner = other.shape[-1]
    rows = prod(source.shape) // inner
    flat = flow.step("reshape", left, source, to_shape=(rows, inner), shape=(rows, inner))
    name, shape = turned(flow, right, other.shape, other)
    made = add_product(flow, (flat, (rows, inner)), (name, shape), output, dense=True)
    if bias:
        made = flow.add("add", [made, *bias], flow.fresh(output))
    flow.result(made, output, activation_of(node))


def space_to_batch(node: SourceNode, flow: FlowBuilder) -> None:
    """It begins a dilated convolution: a convolution of stride 1 and BATCH_TO_SPACE_ND follow."""
    attrs = {"block": _block(node), "pads": _pairs(node, "pads")}
    flow.move("space_to_batch", [flow.stored(node.input(0))], node.output, attrs)


def batch_to_space(node: SourceNode, flow: FlowBuilder) -> None:
    """It ends a dilated convolution that SPACE_TO_BATCH_ND begins."""
    attrs = {"block": _block(node), "crops": _pairs(node, "crops")}
    flow.move("batch_to_space", [flow.stored(node.input(0))], node.output, attrs)


def transpose_conv(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    source, weight = node.input(2), _weights(node, flow, axis=0)
    _one_arithmetic(node, flow, source, weight)
    stride = int(node.get("stride_h", 1)), int(node.get("stride_w", 1))
    padding = [0, 0]
    if node.get("padding", "SAME") == "SAME":
        for axis in (0, 1):
            made, kernel = node.output.shape[1 + axis], weight.values.shape[1 + axis]
            windows = -(-made // stride[axis])
            padding[axis] = same_padding(made, windows, kernel, stride[axis], 1)[0]
    attrs = {
        "stride": stride,
        "padding": (padding[0], padding[1]),
        "data_layout": "NHWC",
        "kernel_layout": "OHWI",
    }
    operands = [flow.real(source), weight, *_bias(node, flow, 3)]
    finish(node, flow, "conv2d_transpose", operands, attrs)


def _block(node: SourceNode) -> tuple[int, ...]:
    block = tuple(node.ints(1, "a block"))
    if len(block) != 2 or len(node.input(0).shape) != 4:
        raise Refusal(
            f"a block of {list(block)} for {len(node.input(0).shape)} dimensions",
            "convert the model with dilated convolutions",
            "Blocks are of height and width",
        )
    return block


def _pairs(node: SourceNode, what: str) -> tuple[tuple[int, ...], ...]:
    sizes = node.value(2, what).reshape(-1, 2)
    return tuple((int(first), int(last)) for first, last in sizes)


def _weights(node: SourceNode, flow: FlowBuilder, axis: int) -> Constant:
    weight = flow.stored(node.input(1), axis)
    if not isinstance(weight, Constant):
        raise Refusal(
            f"weights {node.input(1).name!r} that are computed",
            "export the model with its parameters in it",
        )
    return weight


def _bias(node: SourceNode, flow: FlowBuilder, index: int = 2) -> list[str | Constant]:
    if node.optional(index) is None:
        return []
    bias = flow.stored(node.input(index))
    if not isinstance(bias, Constant):
        raise Refusal(
            f"bias {node.input(index).name!r} that is computed",
            "export the model with its parameters in it",
        )
    return [bias]


DYNAMIC_RANGE_TEXT = (
    "weights have 8 bits, activations are float (dynamic range): computed as a float network with "
    "the stored weights; LiteRT rounds activations to 8 bits on the way, so its outputs differ"
)


def _one_arithmetic(
    node: SourceNode, flow: FlowBuilder, source: SourceTensor, weight: Constant
) -> None:
    if source.dtype == "int16":
        raise Refusal(
            "int16 activations", "convert the model with int8 activations", "Integers have 8 bits"
        )
    if source.dtype == "float32" and node.input(1).dtype in ("int8", "uint8"):
        flow.note(DYNAMIC_RANGE, DYNAMIC_RANGE_TEXT)
    if source.is_quantized and weight.scale is None:
        raise Refusal(
            f"{source.dtype} activations and {weight.values.dtype} weights",
            "quantise both, or neither",
            "Weights of quantised activations are quantised",
        )
    if weight.values.dtype.kind == "f" and not np.isfinite(weight.values).all():
        raise Refusal(
            f"weights {node.input(1).name!r} that are no numbers (NaN or infinite)",
            "train or export the model again",
            "Weights are numbers",
        )


RULES: dict[str, Rule] = {
    "BATCH_TO_SPACE_ND": batch_to_space,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "FULLY_CONNECTED": fully_connected,
    "SPACE_TO_BATCH_ND": space_to_batch,
    "TRANSPOSE_CONV": transpose_conv,
}
