"""Import rules of ONNX: sums."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def add(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    flow.move("add", [flow.stored(node.input(0)), flow.stored(node.input(1))], node.output)


RULES: dict[str, Rule] = {"Add": add}
