"""Import rules of TFLite: softmax."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def softmax(node: SourceNode, flow: FlowBuilder) -> None:
    """Beta is 1."""
    source = node.input(0)
    beta = float(node.get("beta", 1.0))
    if beta != 1.0:
        raise Refusal(f"beta={beta:g}", "scale the logits in front of it")
    flow.compute("softmax", [flow.real(source)], node.output, {"axis": len(source.shape) - 1})


RULES: dict[str, Rule] = {"SOFTMAX": softmax}
