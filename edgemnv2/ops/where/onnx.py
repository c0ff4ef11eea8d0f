"""Import rules of ONNX: choices between two values."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.where.choice import add_where

__all__ = ["RULES"]


def where(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    operands = [flow.stored(node.input(i)) for i in range(3)]
    add_where(flow, operands[0], operands[1], operands[2], node.output)


def thresholded_relu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    x, output = flow.stored(node.input(0)), node.output
    threshold = Constant(np.array(node.get("alpha", 1.0), np.float32))
    above = flow.truth("greater", [x, threshold], output)
    add_where(flow, above, x, Constant(np.zeros((), np.float32)), output)


RULES: dict[str, Rule] = {"ThresholdedRelu": thresholded_relu, "Where": where}
