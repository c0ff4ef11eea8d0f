"""Import rules of ONNX: arg max, arg min."""

from __future__ import annotations

from edgemnv2.ops.arg_max.numbers import add_arg_max
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def _rule(smallest: bool) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        last = bool(node.get("select_last_index", 0))
        add_arg_max(node, flow, int(node.get("axis", 0)), smallest, last)

    return rule


RULES: dict[str, Rule] = {"ArgMax": _rule(False), "ArgMin": _rule(True)}
