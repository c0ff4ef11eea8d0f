"""Hard sigmoid: from the source's terms to layers."""

from __future__ import annotations

from edgemnv2.ops.flow import Node
from edgemnv2.ops.hard_sigmoid.layer import HardSigmoid
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("hard_sigmoid",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(HardSigmoid(**to.common(node), alpha=node.attrs["alpha"], beta=node.attrs["beta"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table."""
    alpha, beta = float(node.attrs["alpha"]), float(node.attrs["beta"])

    def function(x: float) -> float:
        return min(max(alpha * x + beta, 0.0), 1.0)

    integer_unary(HardSigmoid, site, to, function, alpha=alpha, beta=beta)
