"""Import rules of TFLite: sums."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def add(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    finish(node, flow, "add", [flow.real(node.input(0)), flow.real(node.input(1))])


RULES: dict[str, Rule] = {"ADD": add}
