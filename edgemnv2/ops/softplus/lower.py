"""Softplus: from the source's terms to layers."""

from __future__ import annotations

import math

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.softplus.layer import Softplus
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("softplus",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Softplus(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    integer_unary(Softplus, site, to, _function)


def _function(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
