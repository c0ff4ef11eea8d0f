"""Import rules of TFLite: choices between two values."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode
from edgemnv2.ops.where.choice import add_one_hot, add_where

__all__ = ["RULES"]


def select(node: SourceNode, flow: FlowBuilder) -> None:
    """Quantised operands have the output's scale."""
    pair = [node.input(1), node.input(2)]
    if node.output.is_quantized and any(x.quant != node.output.quant for x in pair):
        raise Refusal("operands of several scales", "convert the model again")
    operands = [flow.stored(x) for x in (node.input(0), *pair)]
    add_where(flow, operands[0], operands[1], operands[2], node.output)


def one_hot(node: SourceNode, flow: FlowBuilder) -> None:
    """The depth, and the values on and off, are constants."""
    (depth,) = node.ints(1, "a depth")
    output = node.output
    on, off = (float(node.value(i, "values").reshape(-1)[0]) for i in (2, 3))
    if output.is_quantized and output.quant is not None:
        # They are what is stored, whatever the file says that they stand for.
        scale, zero = output.quant.scale, output.quant.zero_point
        on, off = (scale * (value - zero) for value in (on, off))
    axis = int(node.get("axis", -1)) % len(output.shape)
    add_one_hot(flow, node.input(0), output, axis, depth, (on, off), from_behind=False)


RULES: dict[str, Rule] = {"ONE_HOT": one_hot, "SELECT": select, "SELECT_V2": select}
