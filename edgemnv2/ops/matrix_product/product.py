"""What both formats make of a product of two computed matrices, or of an equation of such."""

from __future__ import annotations

from math import prod

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceTensor

__all__ = ["MOST_MATRICES", "add_product", "add_stacked", "product_shape", "turned"]

Shape = tuple[int, ...]
MOST_MATRICES = 64
"""Of a constant operand: each is a layer of its own."""


def product_shape(left: Shape, right: Shape) -> Shape:
    """Of `[..., M, K]` and `[..., K, N]`; Refusal where they do not fit."""
    try:
        batch = np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        batch = ()
    fits = left[-1] == right[-2] and prod(batch) >= max(prod(left[:-2]), prod(right[:-2]))
    if not fits:
        raise Refusal(f"operands {list(left)} and {list(right)}", "export the model again")
    return (*batch, left[-2], right[-1])


def turned(flow: FlowBuilder, name: str, shape: Shape, like: SourceTensor) -> tuple[str, Shape]:
    """The last two axes of a tensor exchanged; and its shape."""
    rank = len(shape)
    axes = (*range(rank - 2), rank - 1, rank - 2)
    new = tuple(shape[axis] for axis in axes)
    return flow.add("permute", [name], flow.fresh(like, shape=new), {"axes": axes}), new


def add_product(
    flow: FlowBuilder,
    left: tuple[str, Shape],
    right: tuple[str, Shape],
    output: SourceTensor,
    dense: bool = False,
) -> str:
    """The product of two float tensors of 1 to 4 axes, of the shape of `output`.

    `dense`: of integers it is rounded as by TFLite's FULLY_CONNECTED.
    """
    pair = []
    for (name, shape), vector in ((left, (1, -1)), (right, (-1, 1))):
        if len(shape) == 1:
            shape = tuple(shape[0] if e == -1 else e for e in vector)
            name = flow.step("reshape", name, output, to_shape=shape, shape=shape)
        pair.append((name, shape))
    made = product_shape(pair[0][1], pair[1][1])
    operands = [name for name, _ in pair]
    attrs = {"dense": True} if dense else {}
    name = flow.add("matrix_product", operands, flow.fresh(output, shape=made), attrs)
    if made == output.shape:
        return name
    return flow.step("reshape", name, output, shape=output.shape)


def add_stacked(
    flow: FlowBuilder, left: tuple[str, Shape], right: Constant, output: SourceTensor
) -> str:
    """`left`, a computed tensor, by a stack of constant matrices, of the shape of `output`.

    A product for each matrix (of heads of attention there are few); Refusal for more than
    `MOST_MATRICES`, and for stacks of which only some axes are spread.
    """
    name, shape = left
    given = shape if len(shape) > 1 else (1, *shape)
    made = product_shape(given, right.values.shape)
    count, stacks = prod(made[:-2]), (prod(given[:-2]), prod(right.values.shape[:-2]))
    if count > MOST_MATRICES or not set(stacks) <= {1, count}:
        raise Refusal(
            f"a constant operand of shape {list(right.values.shape)} for one of {list(shape)}",
            "write it as convolutions",
            f"A constant operand is at most {MOST_MATRICES} matrices",
        )
    matrices = Constant(right.real().reshape(-1, *right.values.shape[-2:]))
    flat = (stacks[0], *given[-2:])
    name = flow.step("reshape", name, output, to_shape=flat, shape=flat)
    parts = []
    for index in range(count):
        part, one = name, (1, *flat[1:])
        if stacks[0] > 1:
            taken = ([index], *map(range, flat[1:]))
            part = flow.step("select", name, output, to_shape=one, indices=taken)
        matrix = Constant(matrices.values[index])
        parts.append(flow.add("matmul", [part, matrix], flow.fresh(output, shape=(1, *made[-2:]))))
    whole = (count, *made[-2:])
    name = flow.add("concat", parts, flow.fresh(output, shape=whole), {"axis": 0})
    return flow.step("reshape", name, output, shape=output.shape)
