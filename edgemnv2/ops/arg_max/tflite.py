"""Import rules of TFLite: arg max, arg min."""

from __future__ import annotations

from edgemnv2.ops.arg_max.numbers import add_arg_max
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def _rule(smallest: bool) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """The axis is constant."""
        (axis,) = node.ints(1, "an axis")
        add_arg_max(node, flow, axis, smallest)

    return rule


RULES: dict[str, Rule] = {"ARG_MAX": _rule(False), "ARG_MIN": _rule(True)}
