"""Inverse square root: from the source's terms to layers."""

from __future__ import annotations

import math

import numpy as np

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.arithmetic.scalar import inverse_root, scaled
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.rsqrt.layer import Rsqrt
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("rsqrt",)
TABLES = True
FINE_BITS = 20
"""With which LiteRT keeps the root an integer."""
HIGHEST = 1 << 9
"""More than any zero point is from the end of its type."""


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(Rsqrt(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, of LiteRT's fixed point; what has no root gives the highest value there.

    Refuses scales between which LiteRT would shift by more bits than its integers have.
    """
    x, y = np.float32(site.x[0].scale), np.float32(site.y.scale)
    factor = 1.0 / float(np.float32(math.sqrt(float(x))) * y)
    as_litert = to.format == "tflite" and not site.of_floats
    if as_litert and not -31 <= math.frexp(factor)[1] - FINE_BITS <= 30:
        raise to.refuse(
            node,
            f"RSQRT has scale {x:g} before and {y:g} behind it: LiteRT's integers do not hold "
            f"the factor {factor:g} between them; quantise the model again",
        )
    multiplier, shift = quantize_multiplier(factor * 2.0**-FINE_BITS)

    def exact(steps: int) -> int:
        if steps <= 0:
            return HIGHEST
        root, root_shift = inverse_root(steps)
        fine = scaled(1, root, root_shift + FINE_BITS)
        return scaled(fine, multiplier, shift)

    integer_unary(Rsqrt, site, to, _function, exact)


def _function(x: float) -> float:
    return 1.0 / math.sqrt(x) if x > 0 else math.inf
