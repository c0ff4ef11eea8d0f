"""Exp: from the source's terms to layers."""

from __future__ import annotations

import math

from edgemnv2.ops.exp.layer import Exp
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("exp",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Exp(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    integer_unary(Exp, site, to, _function)


def _function(x: float) -> float:
    return math.exp(min(x, 700.0))
