"""Import rules of TFLite: log softmax."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def log_softmax(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    attrs = {"axis": len(source.shape) - 1}
    flow.compute("log_softmax", [flow.real(source)], node.output, attrs)


RULES: dict[str, Rule] = {"LOG_SOFTMAX": log_softmax}
