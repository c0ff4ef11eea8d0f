"""Leaky rectifier: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.arithmetic.scalar import scaled
from edgemnv2.ops.flow import Node
from edgemnv2.ops.leaky_relu.layer import LeakyRelu
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("leaky_relu",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(LeakyRelu(**to.common(node), alpha=node.attrs["alpha"]))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, made of the two factors that LiteRT takes in float32."""
    alpha = node.attrs["alpha"]
    x, y = np.float32(site.x[0].scale), np.float32(site.y.scale)
    above = quantize_multiplier(float(x / y))
    below = quantize_multiplier(abs(float(x * np.float32(alpha) / y)))
    sign = -1 if alpha < 0 else 1

    def exact(steps: int) -> int:
        return scaled(steps, *above) if steps >= 0 else sign * scaled(steps, *below)

    def function(value: float) -> float:
        return value if value >= 0 else alpha * value

    integer_unary(LeakyRelu, site, to, function, exact, alpha=alpha)
