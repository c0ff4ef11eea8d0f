"""Import rules of TFLite: gelu."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def gelu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    attrs = {"approximate": bool(node.get("approximate", False))}
    flow.compute("gelu", [flow.real(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {"GELU": gelu}
