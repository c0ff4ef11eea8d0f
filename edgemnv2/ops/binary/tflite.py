"""Import rules of TFLite: two operands."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]


def _plain(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        finish(node, flow, op, [flow.real(node.input(0)), flow.real(node.input(1))])

    return rule


def _compare(op: str) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """Quantised operands have the output's scale."""
        tensors = [node.input(0), node.input(1)]
        if node.output.is_quantized and any(x.quant != node.output.quant for x in tensors):
            raise Refusal("operands of several scales", "convert the model again")
        flow.move(op, [flow.stored(x) for x in tensors], node.output)

    return rule


RULES: dict[str, Rule] = {
    "SUB": _plain("subtract"),
    "MUL": _plain("multiply"),
    "DIV": _plain("divide"),
    "MINIMUM": _compare("minimum"),
    "MAXIMUM": _compare("maximum"),
}
