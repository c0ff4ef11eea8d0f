"""Square root: from the source's terms to layers."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.arithmetic.lookup import FURTHEST
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.sqrt.layer import Sqrt
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("sqrt",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Sqrt(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table; LiteRT rounds towards zero, and refuses what has no root."""
    x, y = np.float32(site.x[0].scale), np.float32(site.y.scale)

    def exact(steps: int) -> int:
        root = np.float32(math.sqrt(max(float(x * np.float32(steps)), 0.0)))
        return int(min(float(root / y), FURTHEST))

    integer_unary(Sqrt, site, to, _function, exact)


def _function(x: float) -> float:
    return math.sqrt(x) if x >= 0 else math.nan
