"""Import rules of ONNX: hard_sigmoid."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def hard_sigmoid(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    attrs = {"alpha": float(node.get("alpha", 0.2)), "beta": float(node.get("beta", 0.5))}
    flow.move("hard_sigmoid", [flow.stored(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {"HardSigmoid": hard_sigmoid}
