"""Import rules of TFLite: choices between two values."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode
from edgemnv2.ops.where.choice import add_where

__all__ = ["RULES"]


def select(node: SourceNode, flow: FlowBuilder) -> None:
    """Quantised operands have the output's scale."""
    pair = [node.input(1), node.input(2)]
    if node.output.is_quantized and any(x.quant != node.output.quant for x in pair):
        raise Refusal("operands of several scales", "convert the model again")
    operands = [flow.stored(x) for x in (node.input(0), *pair)]
    add_where(flow, operands[0], operands[1], operands[2], node.output)


RULES: dict[str, Rule] = {"SELECT": select, "SELECT_V2": select}
