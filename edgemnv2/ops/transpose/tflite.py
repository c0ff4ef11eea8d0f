"""Import rules of TFLite: transposes."""

from __future__ import annotations

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """The permutation is constant."""
    axes = tuple(node.ints(1, "a permutation"))
    stored = flow.stored(node.input(0))
    if isinstance(stored, Constant):
        flow.alias(node.output, stored.transpose(axes))
        return
    flow.move("permute", [stored], node.output, {"axes": axes})


RULES: dict[str, Rule] = {"TRANSPOSE": transpose}
