"""Absolute value: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.arithmetic.scalar import scaled
from edgemnv2.ops.abs.layer import Abs
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("abs",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Abs(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, of LiteRT's fixed point where the scales differ."""
    ratio = np.float32(site.x[0].scale) / np.float32(site.y.scale)
    factor = quantize_multiplier(float(ratio))

    def exact(steps: int) -> int:
        return abs(steps) if ratio == 1 else scaled(abs(steps), *factor)

    integer_unary(Abs, site, to, _function, exact)


def _function(x: float) -> float:
    return abs(x)
