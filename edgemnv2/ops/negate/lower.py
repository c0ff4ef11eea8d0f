"""Negation: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.arithmetic.scalar import wrapped
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.negate.layer import Negate
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("negate",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Negate(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table; LiteRT's NEG of int8 negates what is stored, whatever the zero points."""
    x_dtype = to.tensors[site.inputs[0]].dtype

    def exact(steps: int) -> int:
        return wrapped(-(steps + site.x[0].zero_point), 8) - site.y.zero_point

    integer_unary(Negate, site, to, _function, exact if x_dtype == "int8" else None)


def _function(x: float) -> float:
    return -x
