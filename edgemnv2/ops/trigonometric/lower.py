"""Sine, cosine, arctangent: from the source's terms to layers."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.trigonometric.layer import Trigonometric
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("atan", "cos", "sin")
TABLES = True
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "atan": math.atan,
    "cos": math.cos,
    "sin": math.sin,
}


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Trigonometric(**to.common(node), mode=node.op))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    integer_unary(Trigonometric, site, to, FUNCTIONS[node.op], mode=node.op)
