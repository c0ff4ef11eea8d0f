"""Import rules of ONNX: gelu."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def gelu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    # An attribute since opset 20; com.microsoft's operators have names, and a bias in front.
    approximate = node.get("approximate", "none") == "tanh" or node.operator == "FastGelu"
    stored = flow.stored(node.input(0))
    if node.optional(1) is not None:
        bias = flow.stored(node.input(1))
        stored = flow.add("add", [stored, bias], flow.fresh(node.output))
    flow.move("gelu", [stored], node.output, {"approximate": approximate})


RULES: dict[str, Rule] = {"BiasGelu": gelu, "FastGelu": gelu, "Gelu": gelu}
