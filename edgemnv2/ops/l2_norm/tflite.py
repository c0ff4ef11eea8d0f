"""Import rules of TFLite: normalisation by length."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.tflite_terms import finish

__all__ = ["RULES"]

EPSILON = 1e-6
"""Of LiteRT's float kernel: no shorter length is divided by."""


def l2_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    attrs = {"axis": len(source.shape) - 1, "epsilon": EPSILON}
    finish(node, flow, "l2_norm", [flow.real(source)], attrs)


RULES: dict[str, Rule] = {"L2_NORMALIZATION": l2_normalization}
