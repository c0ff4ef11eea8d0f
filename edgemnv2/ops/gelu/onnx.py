"""Import rules of ONNX: gelu."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def gelu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    # An attribute since opset 20; com.microsoft's two operators have names.
    approximate = node.get("approximate", "none") == "tanh" or node.operator == "FastGelu"
    stored = flow.stored(node.input(0))
    flow.move("gelu", [stored], node.output, {"approximate": approximate})


RULES: dict[str, Rule] = {"FastGelu": gelu, "Gelu": gelu}
