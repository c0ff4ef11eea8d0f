"""Import rules of ONNX: the sigmoid, and swish, which is made of it."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]


def swish(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    stored = flow.stored(node.input(0))
    alpha = np.array(node.get("alpha", 1.0), np.float32)
    inner = stored
    if alpha != 1:
        inner = flow.add("multiply", [stored, Constant(alpha)], flow.fresh(node.output))
    gate = flow.step("sigmoid", inner, node.output)
    flow.move("multiply", [stored, gate], node.output)


RULES: dict[str, Rule] = {
    "QuickGelu": swish,
    "Sigmoid": onnx_unary("sigmoid"),
    "Swish": swish,
}
