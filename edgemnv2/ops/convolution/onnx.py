"""Import rules of ONNX: convolutions and matrix products."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.matrix_product.product import (
    add_product,
    add_stacked,
    product_shape,
    turned,
)
from edgemnv2.ops.onnx_terms import image, over_lines, spatial
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["RULES"]


def conv(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    weight = _weights(node, flow, 0)
    if weight.values.ndim != 4:
        raise Refusal(
            f"a kernel of {weight.values.ndim - 2} dimensions, weights {list(weight.values.shape)}",
            "export the model with two-dimensional convolutions (a 1-D one as 1xK)",
            "Convolutions have height and width",
        )
    source = image(node)
    kernel = weight.values.shape[2], weight.values.shape[3]
    attrs = {
        **spatial(node, source, kernel),
        "groups": int(node.get("group", 1)),
        "data_layout": "NCHW",
        "kernel_layout": "OIHW",
    }
    out = flow.add("conv2d", [flow.stored(source), weight], flow.fresh(node.output), attrs)
    _with_bias(node, flow, out, 2, (1, -1, 1, 1))


def conv_transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """Weights and bias are constants."""
    weight = _weights(node, flow, 1)
    if weight.values.ndim != 4:
        raise Refusal(
            f"a kernel of {weight.values.ndim - 2} dimensions",
            "export the model with two-dimensional convolutions",
        )
    source = image(node)
    if len(node.output.shape) != 4:
        # onnx infers no shape from an `output_shape` that is below the input's.
        raise Refusal(
            f"output_shape={list(node.get('output_shape', ()))} for an input of "
            f"{list(source.shape)}",
            "export the model with pads instead of output_shape",
        )
    dilation = [int(x) for x in node.get("dilations", (1, 1))]
    weight = _whole_kernel(weight, int(node.get("group", 1)), (dilation[0], dilation[1]))
    stride = tuple(int(x) for x in node.get("strides", (1, 1)))
    pads = [int(x) for x in node.get("pads", (0, 0, 0, 0))][:2]
    mode = node.get("auto_pad", "NOTSET")
    if node.get("output_shape") or mode in ("SAME_UPPER", "SAME_LOWER"):
        more = [int(x) for x in node.get("output_padding", (0, 0))]
        for axis in (0, 1):
            whole = (source.shape[2 + axis] - 1) * stride[axis] + weight.values.shape[2 + axis]
            total = max(0, whole + more[axis] - node.output.shape[2 + axis])
            pads[axis] = total // 2 if mode == "SAME_UPPER" else total - total // 2
    elif mode == "VALID":
        pads = [0, 0]
    attrs = {
        "stride": stride,
        "padding": (pads[0], pads[1]),
        "data_layout": "NCHW",
        "kernel_layout": "IOHW",
    }
    operands = [flow.stored(source), weight]
    out = flow.add("conv2d_transpose", operands, flow.fresh(node.output), attrs)
    _with_bias(node, flow, out, 2, (1, -1, 1, 1))


def _whole_kernel(weight: Constant, groups: int, dilation: tuple[int, int]) -> Constant:
    """`[I, O / groups, H, W]` as the kernel of one group without dilation: zeros are put between.

    They are what the layer computes with: few networks have such convolutions, none has many.
    """
    if groups < 1 or weight.values.shape[0] % groups:
        raise Refusal(f"group={groups} of {weight.values.shape[0]} channels", "export it again")
    if weight.per_axis and (groups, dilation) != (1, (1, 1)):
        weight = Constant(weight.real())
    zero = 0 if weight.zero_point is None else int(weight.zero_point.reshape(-1)[0])
    inner, outer, height, width = weight.values.shape
    rows, columns = ((k - 1) * d + 1 for k, d in zip((height, width), dilation, strict=True))
    whole = np.full((inner, groups * outer, rows, columns), zero, weight.values.dtype)
    for group in range(groups):
        part = slice(group * (inner // groups), (group + 1) * (inner // groups))
        made = slice(group * outer, (group + 1) * outer)
        whole[part, made, :: dilation[0], :: dilation[1]] = weight.values[part]
    return replace(weight, values=whole)


def gemm(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    turned = [bool(node.get(name, 0)) for name in ("transA", "transB")]
    pair = [
        _turned(flow, node.input(i), (1, 0)) if turn else flow.stored(node.input(i))
        for i, turn in enumerate(turned)
    ]
    shapes = [node.input(i).shape[:: -1 if turn else 1] for i, turn in enumerate(turned)]
    out = _multiplied(node, flow, pair, shapes)
    if alpha != 1.0:
        out = flow.add("multiply", [out, _scalar(alpha)], flow.fresh(node.output))
    if node.optional(2) is None or beta == 0:
        flow.alias(node.output, out)
        return
    bias = flow.stored(node.input(2))
    if beta != 1.0:
        name = flow.add("multiply", [bias, _scalar(beta)], flow.fresh(node.input(2)))
        flow.add("add", [out, name], flow.declare(node.output))
        return
    flow.add("add", [out, bias], flow.declare(node.output))


def matmul(node: SourceNode, flow: FlowBuilder) -> None:
    """A constant operand is at most 64 matrices."""
    pair = [flow.stored(node.input(i)) for i in (0, 1)]
    out = _multiplied(node, flow, pair, [node.input(i).shape for i in (0, 1)])
    flow.alias(node.output, out)


def _multiplied(
    node: SourceNode,
    flow: FlowBuilder,
    pair: list[str | Constant],
    shapes: list[tuple[int, ...]],
) -> str:
    """The product of two operands, of the node's output's shape."""
    left, right = pair
    if isinstance(left, Constant) and isinstance(right, Constant):
        # Of any ranks: what an earlier node was found to be may be a stack of matrices.
        return flow.add("matmul", pair, flow.fresh(node.output))
    if isinstance(left, str) and isinstance(right, Constant) and prod(shapes[1][:-2]) > 1:
        return add_stacked(flow, (left, shapes[0]), right, node.output)
    many = prod(shapes[0][:-2]) > 1 and len(shapes[1]) > 1
    if many and isinstance(left, Constant) and isinstance(right, str):
        return _by_columns(node, flow, left, (right, shapes[1]))
    if isinstance(right, Constant):
        matrix = _matrix(node, right, vector=(-1, 1))
        shape = (*shapes[0][:-1], matrix.values.shape[1])
        if shape == node.output.shape:
            return flow.add("matmul", [left, matrix], flow.fresh(node.output))
        out = flow.add("matmul", [left, matrix], flow.fresh(node.output, shape=shape))
    elif isinstance(left, Constant) and len(shapes[1]) > 1:
        # (A B) turned is B turned by A turned.
        matrix = _matrix(node, left, vector=(1, -1)).transpose((1, 0))
        rank = len(shapes[1])
        axes = (*range(rank - 2), rank - 1, rank - 2)
        shape = (*shapes[1][:-2], shapes[1][-1], shapes[1][-2])
        turned = flow.add("permute", [right], flow.fresh(node.output, shape=shape), {"axes": axes})
        made = (*shape[:-1], matrix.values.shape[1])
        out = flow.add("matmul", [turned, matrix], flow.fresh(node.output, shape=made))
        shape = tuple(made[axis] for axis in axes)
        out = flow.add("permute", [out], flow.fresh(node.output, shape=shape), {"axes": axes})
    elif isinstance(left, Constant):
        raise Refusal(
            f"a constant vector and a computed one, of {list(shapes[0])} and {list(shapes[1])}",
            "export the product with the constant on the right",
        )
    else:
        return add_product(flow, (left, shapes[0]), (right, shapes[1]), node.output)
    if shape == node.output.shape:
        return out
    attrs = {"shape": node.output.shape}
    return flow.add("reshape", [out], flow.fresh(node.output), attrs)


def _by_columns(
    node: SourceNode, flow: FlowBuilder, left: Constant, right: tuple[str, tuple[int, ...]]
) -> str:
    """A stack of constants by a computed tensor: (A B) turned is B turned by A turned."""
    matrices = left.real().swapaxes(-1, -2)
    name, shape = turned(flow, *right, node.output)
    made = product_shape(shape, matrices.shape)
    target = replace(node.output, shape=made)
    out = add_stacked(flow, (name, shape), Constant(matrices), target)
    return turned(flow, out, made, node.output)[0]


def _matrix(node: SourceNode, constant: Constant, vector: tuple[int, int]) -> Constant:
    """`[K, N]` of a constant operand: a vector as `vector` says, axes of 1 in front left out."""
    shape = constant.values.shape
    if len(shape) == 1:
        shape = tuple(constant.values.size if e == -1 else e for e in vector)
    return _checked(node, constant.reshape(shape[-2:]))


def _turned(flow: FlowBuilder, source: SourceTensor, axes: tuple[int, int]) -> str | Constant:
    stored = flow.stored(source)
    if isinstance(stored, Constant):
        return stored.transpose(axes)
    shape = tuple(source.shape[axis] for axis in axes)
    return flow.add("permute", [stored], flow.fresh(source, shape=shape), {"axes": axes})


def _weights(node: SourceNode, flow: FlowBuilder, outer: int) -> Constant:
    """The kernel; `outer` is its axis of output channels."""
    weight = flow.stored(node.input(1))
    if not isinstance(weight, Constant):
        raise Refusal(
            f"weights {node.input(1).name!r} that are computed",
            "export the model with its parameters in it",
        )
    return _checked(node, weight, outer)


def _checked(node: SourceNode, weight: Constant, outer: int = 1) -> Constant:
    """Weights that are numbers; those with a scale for each of another axis as real ones."""
    if weight.values.dtype.kind == "f" and not np.isfinite(weight.values).all():
        raise Refusal(
            "weights that are no numbers (NaN or infinite)",
            "train or export the model again",
            "Weights are numbers",
        )
    other = weight.per_axis and weight.axis != outer
    return Constant(weight.real()) if other else weight


def _with_bias(
    node: SourceNode, flow: FlowBuilder, out: str, index: int, shape: tuple[int, ...]
) -> None:
    if node.optional(index) is None:
        flow.alias(node.output, out)
        return
    bias = flow.stored(node.input(index))
    if not isinstance(bias, Constant):
        raise Refusal(
            f"bias {node.input(index).name!r} that is computed",
            "export the model with its parameters in it",
        )
    full = tuple(bias.values.size if extent == -1 else extent for extent in shape)
    flow.add("add", [out, bias.reshape(full)], flow.declare(node.output))


def _scalar(value: float) -> Constant:
    return Constant(np.array(value, np.float32))


RULES: dict[str, Rule] = {
    "Conv": over_lines(conv),
    "ConvTranspose": over_lines(conv_transpose),
    "Gemm": gemm,
    "MatMul": matmul,
}
