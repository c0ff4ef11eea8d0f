"""Comparisons and NOT, which TFLite and ONNX have alike."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["comparison", "logical_not"]


def comparison(op: str) -> Rule:
    """The rule of a comparison of two operands."""

    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.compute(op, [flow.real(node.input(0)), flow.real(node.input(1))], node.output)

    return rule


def logical_not(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    zero = Constant(np.zeros((), np.float32))
    flow.compute("equal", [flow.real(node.input(0)), zero], node.output)
