"""Whole numbers: from the source's terms to layers."""

from __future__ import annotations

import math
from collections.abc import Callable

from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rounding.layer import Rounding
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("ceil", "floor", "round")
TABLES = True
# Python's `round` takes halves to even.
FUNCTIONS: dict[str, Callable[[float], int]] = {
    "ceil": math.ceil,
    "floor": math.floor,
    "round": round,
}


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    # LiteRT's ROUND adds 1 to the floor, which of what is just below zero gives 0.0.
    keeps_sign = node.op != "round" or to.format == "onnx"
    to.add(Rounding(**to.common(node), mode=node.op, keeps_sign=keeps_sign))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    function = FUNCTIONS[node.op]
    integer_unary(Rounding, site, to, lambda x: float(function(x)), mode=node.op)
