"""Running sums along an axis, as a product with a triangle of ones."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["cumulative_sum"]

MOST_TERMS = 1024
"""Along the axis: the triangle is a constant of as many rows and columns."""


def cumulative_sum(node: SourceNode, flow: FlowBuilder) -> None:
    """Of floats or whole numbers; the axis is a constant, and has at most 1024 values."""
    source, output = node.input(0), node.output
    rank = len(source.shape)
    axis = node.ints(1, "axis")[0] % rank
    terms = source.shape[axis]
    if terms > MOST_TERMS:
        raise Refusal(f"{terms} values", "sum up fewer of them")
    if output.is_quantized:
        raise Refusal("integers", "leave this part of the network in floats")
    triangle = np.triu(np.ones((terms, terms), np.float32), 1 if node.get("exclusive", 0) else 0)
    sums = Constant(np.ascontiguousarray(triangle.T if node.get("reverse", 0) else triangle))
    stored = flow.stored(source)
    if axis == rank - 1:
        flow.move("matmul", [stored, sums], output)
        return
    axes = list(range(rank))
    axes[axis], axes[-1] = axes[-1], axes[axis]
    shape = tuple(source.shape[i] for i in axes)
    turned = flow.add("permute", [stored], flow.fresh(output, shape=shape), {"axes": tuple(axes)})
    made = flow.add("matmul", [turned, sums], flow.fresh(output, shape=shape))
    flow.move("permute", [made], output, {"axes": tuple(axes)})
