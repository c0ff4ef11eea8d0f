"""Quotients and rests of whole numbers: which row and column a place on a map is.

`index // width, index % width` behind an argmax, as networks of key points and heat maps end.
"""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, SourceNode

__all__ = ["COUNTED", "floor_divide", "modulo"]

COUNTED = "counted"
"""The attribute of a node whose operands are whole numbers, computed as floats."""


def modulo(node: SourceNode, flow: FlowBuilder) -> None:
    """Of whole numbers; the rest has the divisor's sign."""
    if node.get("fmod", 0) or not node.get(COUNTED):
        raise Refusal("rests of floats, or fmod=1", "write it as x - floor(x / y) * y")
    x, divisor, output = flow.stored(node.input(0)), flow.stored(node.input(1)), node.output
    whole = flow.add("floor", [_quotient(node, flow)], flow.fresh(output))
    times = flow.add("multiply", [whole, divisor], flow.fresh(output))
    flow.move("subtract", [x, times], output)


def floor_divide(node: SourceNode, flow: FlowBuilder) -> None:
    """Of floats, or of whole numbers."""
    numbers, divisor = node.input(0), node.input(1)
    if numbers.value is not None and divisor.value is not None:
        flow.alias(node.output, Constant(np.floor_divide(numbers.value, divisor.value)))
        return
    flow.move("floor", [_quotient(node, flow)], node.output)


def _quotient(node: SourceNode, flow: FlowBuilder) -> str:
    # In float32 the quotient of whole numbers below 2**24 is never rounded up to the next one.
    pair = [flow.stored(node.input(0)), flow.stored(node.input(1))]
    return flow.add("divide", pair, flow.fresh(node.output))
