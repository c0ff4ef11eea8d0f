"""Conversions of types: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.cast.layer import Cast
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.unary import arrange_unary as arrange

__all__ = ["NODES", "arrange", "lower"]

NODES = ("cast",)


def lower(node: Node, to: Lowering) -> None:
    """Of what is stored now, by the zero points that it has now."""
    common = to.common(node)
    ends = (to.tensors[common["inputs"][0]], to.tensors[common["output"]])
    zero_in, zero_out = (0 if t.quant is None else t.quant.zero_point for t in ends)
    to.add(Cast(**common, zero_in=zero_in, zero_out=zero_out))
