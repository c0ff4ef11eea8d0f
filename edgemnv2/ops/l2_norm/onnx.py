"""Import rules of ONNX: normalisation by length."""

from __future__ import annotations

from edgemnv2.ops.onnx_terms import axis_of
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

LEAST = 1e-30
"""Instead of a division by zero, which gives zero there."""


def lp_normalization(node: SourceNode, flow: FlowBuilder) -> None:
    """p is 2."""
    source = node.input(0)
    if int(node.get("p", 2)) != 2:
        raise Refusal(f"p={node.get('p')}", "normalise by the square root of the sum of squares")
    attrs = {"axis": axis_of(node, -1, len(source.shape)), "epsilon": LEAST}
    flow.move("l2_norm", [flow.stored(source)], node.output, attrs)


RULES: dict[str, Rule] = {"LpNormalization": lp_normalization}
