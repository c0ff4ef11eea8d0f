"""Import rules of TFLite: two operands."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def _plain(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        finish(node, flow, op, [flow.real(node.input(0)), flow.real(node.input(1))])

    return rule


RULES: dict[str, Rule] = {
    "SUB": _plain("subtract"),
    "MUL": _plain("multiply"),
    "DIV": _plain("divide"),
    "MINIMUM": _plain("minimum"),
    "MAXIMUM": _plain("maximum"),
}
