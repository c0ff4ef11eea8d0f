"""Natural logarithm: from the source's terms to layers."""

from __future__ import annotations

import math

from edgemnv2.ops.flow import Node
from edgemnv2.ops.log.layer import Log
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("log",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Log(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    integer_unary(Log, site, to, _function)


def _function(x: float) -> float:
    # LiteRT gives its lowest value for what has no logarithm.
    return math.log(x) if x > 0 else -math.inf
