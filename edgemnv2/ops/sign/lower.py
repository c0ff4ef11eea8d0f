"""Sign: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.sign.layer import Sign
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("sign",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Sign(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    integer_unary(Sign, site, to, _function)


def _function(x: float) -> float:
    return float((x > 0) - (x < 0))
