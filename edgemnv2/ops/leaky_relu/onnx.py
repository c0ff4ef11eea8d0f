"""Import rules of ONNX: leaky_relu."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def leaky_relu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    attrs = {"alpha": float(node.get("alpha", 0.01))}
    flow.move("leaky_relu", [flow.stored(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {"LeakyRelu": leaky_relu}
