"""Exponential linear unit: from the source's terms to layers."""

from __future__ import annotations

import math

from edgemnv2.ops.elu.layer import Elu
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("elu",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Elu(**to.common(node), alpha=node.attrs["alpha"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    alpha = node.attrs["alpha"]

    def function(x: float) -> float:
        return x if x >= 0 else alpha * math.expm1(x)

    integer_unary(Elu, site, to, function, alpha=alpha)
