"""Einsum of two operands as a product of matrices: what a letter is in decides what becomes of it.

A letter of both operands and the output is of the batch, one of both alone is summed over, one of
one operand and the output is a row or a column.
"""

from __future__ import annotations

from math import prod

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["einsum"]


def einsum(node: SourceNode, flow: FlowBuilder) -> None:
    """Two operands, every letter once in each, none in one operand alone."""
    equation = str(node.get("equation", "")).replace(" ", "")
    terms, _, out = equation.partition("->")
    parts = terms.split(",")
    plain = len(parts) == len(node.inputs) == 2 and "->" in equation and "." not in equation
    if not plain or any(len(set(x)) != len(x) for x in (*parts, out)):
        raise Refusal(f"equation {equation!r}", "write it with MatMul, Mul and ReduceSum")
    a, b = parts
    alone = [x for x in a + b if x not in out and not (x in a and x in b)]
    if alone or any(x not in a + b for x in out):
        raise Refusal(f"equation {equation!r}", "write the sum over one operand as ReduceSum")
    batch = [x for x in out if x in a and x in b]
    summed = [x for x in a if x in b and x not in out]
    rows, columns = ([x for x in out if x in mine and x not in batch] for mine in (a, b))
    extents = {
        letter: extent
        for term, tensor in zip(parts, (node.input(0), node.input(1)), strict=True)
        for letter, extent in zip(term, tensor.shape, strict=True)
    }
    orders = ([*batch, *rows, *summed], [*batch, *summed, *columns])
    size = {
        name: prod(extents[x] for x in letters)
        for name, letters in (
            ("batch", batch), ("rows", rows), ("summed", summed), ("columns", columns),
        )
    }  # fmt: skip
    shapes = (
        (size["batch"], size["rows"], size["summed"]),
        (size["batch"], size["summed"], size["columns"]),
    )
    pair: list[str | Constant] = []
    for index, (term, order, shape) in enumerate(zip(parts, orders, shapes, strict=True)):
        operand = flow.stored(node.input(index))
        axes = tuple(term.index(x) for x in order)
        if isinstance(operand, Constant):
            pair.append(operand.transpose(axes).reshape(shape))
            continue
        inner = tuple(extents[x] for x in order)
        like = node.input(index)
        name = flow.add("permute", [operand], flow.fresh(like, shape=inner), {"axes": axes})
        pair.append(flow.step("reshape", name, like, to_shape=shape, shape=shape))
    made = (size["batch"], size["rows"], size["columns"])
    name = _product(flow, node, pair, made)
    order_made = [*batch, *rows, *columns]
    inner = tuple(extents[x] for x in order_made)
    name = flow.step("reshape", name, node.output, to_shape=inner, shape=inner)
    axes = tuple(order_made.index(x) for x in out)
    flow.move("permute", [name], node.output, {"axes": axes})


def _product(
    flow: FlowBuilder, node: SourceNode, pair: list[str | Constant], made: tuple[int, int, int]
) -> str:
    """`[batch, rows, columns]` of two operands, one of which may be constant."""
    left, right = pair
    name = flow.fresh(node.output, shape=made)
    if not isinstance(left, Constant) and not isinstance(right, Constant):
        return flow.add("matrix_product", [left, right], name)
    if made[0] != 1:
        raise Refusal("a constant operand for each of a batch", "write it with Mul and ReduceSum")
    if isinstance(right, Constant):
        return flow.add("matmul", [left, right.reshape(right.values.shape[1:])], name)
    # (A B) turned is B turned by A turned.
    assert isinstance(left, Constant)
    matrix = left.reshape(left.values.shape[1:]).transpose((1, 0))
    depth, columns = matrix.values.shape[0], made[2]
    axes = {"axes": (0, 2, 1)}
    turned = flow.add("permute", [right], flow.fresh(node.output, shape=(1, columns, depth)), axes)
    out = flow.add("matmul", [turned, matrix], flow.fresh(node.output, shape=(1, columns, made[1])))
    return flow.add("permute", [out], name, axes)
