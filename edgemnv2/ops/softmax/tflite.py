"""Import rules of TFLite: softmax."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def softmax(node: SourceNode, flow: FlowBuilder) -> None:
    """Beta is above 0."""
    source = node.input(0)
    beta = float(node.get("beta", 1.0))
    if not beta > 0:
        raise Refusal(f"beta={beta:g}", "negate the logits in front of it")
    attrs = {"axis": len(source.shape) - 1, "beta": beta}
    flow.compute("softmax", [flow.real(source)], node.output, attrs)


RULES: dict[str, Rule] = {"SOFTMAX": softmax}
