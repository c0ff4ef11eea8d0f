"""Import rules of ONNX: softplus, and mish, which is made of it."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]


def mish(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    stored = flow.stored(node.input(0))
    inner = flow.step("softplus", stored, node.output)
    gate = flow.step("tanh", inner, node.output)
    flow.move("multiply", [stored, gate], node.output)


RULES: dict[str, Rule] = {"Mish": mish, "Softplus": onnx_unary("softplus")}
