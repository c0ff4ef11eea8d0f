"""What ONNX's windowed operators share: padding, strides, layouts."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import wraps
from typing import Any

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode, SourceTensor

__all__ = ["axes_of", "axis_of", "image", "over_lines", "over_one_axis", "spatial"]

LINE_DIMENSIONS = 3
"""Of a signal: batch, channels, length."""
OF_EACH_AXIS = {
    "dilations": 1,
    "kernel_shape": 1,
    "output_padding": 0,
    "output_shape": 1,
    "strides": 1,
}
"""Attributes with a value for each axis of a window, and what it is along an axis of 1."""


def image(node: SourceNode) -> SourceTensor:
    """The first input, which must be one image."""
    source = node.input(0)
    if len(source.shape) != 4 or source.shape[0] != 1:
        raise Refusal(
            f"input of shape {list(source.shape)}",
            "export the model for single images",
            "Input is one image: four dimensions, batch 1",
        )
    return source


def axis_of(node: SourceNode, default: int, rank: int) -> int:
    """The attribute `axis`, counted from the front."""
    return int(node.get("axis", default)) % rank


def axes_of(node: SourceNode) -> tuple[int, ...] | None:
    """The axes of a reduction, sorted; None where it says that none stands for no reduction."""
    rank = len(node.input(0).shape)
    axes = node.get("axes")
    if node.optional(1) is not None:
        axes = node.ints(1, "axes")
    if not axes:
        return None if node.get("noop_with_empty_axes", 0) else tuple(range(rank))
    return tuple(sorted({int(axis) % rank for axis in axes}))


def spatial(node: SourceNode, source: SourceTensor, kernel: tuple[int, int]) -> dict[str, Any]:
    """`stride`, `dilation` and `padding` (top, left, bottom, right) of a windowed operator."""
    stride = tuple(int(x) for x in node.get("strides", (1, 1)))
    dilation = tuple(int(x) for x in node.get("dilations", (1, 1)))
    pads = [int(x) for x in node.get("pads", (0, 0, 0, 0))]
    mode = node.get("auto_pad", "NOTSET")
    if mode == "VALID":
        pads = [0, 0, 0, 0]
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        for axis in range(2):
            extent = source.shape[2 + axis]
            window = (kernel[axis] - 1) * dilation[axis] + 1
            total = max(0, (math.ceil(extent / stride[axis]) - 1) * stride[axis] + window - extent)
            less, more = total // 2, total - total // 2
            upper = mode == "SAME_UPPER"
            pads[axis], pads[2 + axis] = (less, more) if upper else (more, less)
    return {"stride": stride, "dilation": dilation, "padding": tuple(pads)}


def over_lines(rule: Rule) -> Rule:
    """`rule`, of a windowed operator on images, for signals too: as images of one row."""

    @wraps(rule)
    def lifted(node: SourceNode, flow: FlowBuilder) -> None:
        source, output = node.input(0), node.output
        if len(source.shape) != LINE_DIMENSIONS:
            rule(node, flow)
            return
        inputs = [_as_row(flow, x, f"{output.name}.input{i}") for i, x in enumerate(node.inputs)]
        shape = (*output.shape[:2], 1, *output.shape[2:])
        made = replace(output, name=f"{output.name}.row", shape=shape)
        attrs = dict(node.attrs)
        for name, first in OF_EACH_AXIS.items():
            if name in attrs:
                attrs[name] = (first, *attrs[name])
        for name in ("pads", "counted_pads"):
            if name in attrs:
                before, after = attrs[name]
                attrs[name] = (0, before, 0, after)
        rule(
            replace(node, inputs=tuple(inputs), outputs=(made, *node.outputs[1:]), attrs=attrs),
            flow,
        )
        flow.move("reshape", [flow.stored(made)], output, {"shape": output.shape})

    return lifted


def _as_row(flow: FlowBuilder, tensor: SourceTensor | None, name: str) -> SourceTensor | None:
    """A signal, or a kernel of one, with an axis of 1 for the height; others as they are."""
    if tensor is None or len(tensor.shape) != LINE_DIMENSIONS:
        return tensor
    shape = (*tensor.shape[:2], 1, tensor.shape[2])
    seen = replace(tensor, name=name, shape=shape)
    stored = flow.stored(tensor)
    if isinstance(stored, Constant):
        values = stored.reshape(shape)
        flow.alias(seen, values)
        return replace(seen, value=values.values)
    flow.move("reshape", [stored], seen, {"shape": shape})
    return seen


def over_one_axis(op: str) -> Rule:
    """The rule of softmax and its like.

    Before opset 13 these run over all axes from the given one on, as one.
    """

    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        source, stored = node.input(0), flow.stored(node.input(0))
        rank, opset = len(source.shape), int(node.get("opset", 13))
        axis = axis_of(node, -1 if opset >= 13 else 1, rank)
        behind = [extent for extent in source.shape[axis + 1 :] if extent != 1]
        if opset >= 13 or not behind:
            flow.move(op, [stored], node.output, {"axis": axis})
            return
        flat = (*source.shape[:axis], math.prod(source.shape[axis:]))
        inner = flow.fresh(node.output, source.dtype, flat)
        flow.add("reshape", [stored], inner, {"shape": flat})
        made = flow.add(op, [inner], flow.fresh(node.output, source.dtype, flat), {"axis": axis})
        flow.move("reshape", [made], node.output, {"shape": source.shape})

    return rule
