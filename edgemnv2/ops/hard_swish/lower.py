"""Hard swish: from the source's terms to layers."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.fixed_point import quantize_multiplier
from edgemnv2.arithmetic.scalar import divide_by_pot, high_mul, wrapped
from edgemnv2.ops.flow import Node
from edgemnv2.ops.hard_swish.layer import HardSwish
from edgemnv2.ops.lowering import Lowering, Site
from edgemnv2.ops.unary import arrange_unary as arrange
from edgemnv2.ops.unary import integer_unary

__all__ = ["NODES", "TABLES", "arrange", "integer", "lower"]

NODES = ("hard_swish",)
TABLES = True


def lower(node: Node, to: Lowering) -> None:
    """Of floats."""
    to.add(HardSwish(**to.common(node)))


def integer(node: Node, site: Site, to: Lowering) -> None:
    """By a table, made of LiteRT's arithmetic of 16 bits."""
    fine = np.float32(1.0 / 128.0) * np.float32(site.x[0].scale)
    out, out_shift = quantize_multiplier(float(fine / np.float32(site.y.scale)))
    gate, gate_shift = quantize_multiplier(float(fine / np.float32(3.0 / 32768.0)))
    out, gate = _narrow(out), _narrow(gate)

    def exact(steps: int) -> int:
        high = wrapped(steps << 7, 16)
        relu = high
        if gate_shift > 0:
            relu = _saturated(relu << (gate_shift - 1))
        relu = high_mul(relu, gate, 16)
        if gate_shift > 0:
            relu = _saturated(relu << 1)
        elif gate_shift < 0:
            relu = divide_by_pot(relu, -gate_shift)
        relu = (relu + (1 << 15)) >> 1
        product = relu * high_mul(high, out, 16)
        # The one product that is rounded towards zero.
        size = abs(product) >> 15
        return divide_by_pot(size if product >= 0 else -size, -out_shift)

    # Where outputs are finer than a 128th of the inputs, LiteRT refuses the operator.
    integer_unary(HardSwish, site, to, _function, exact if out_shift <= 0 else None)


def _narrow(multiplier: int) -> int:
    """A multiplier of 32 bits as one of 16."""
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1)


def _saturated(x: int) -> int:
    return min(max(x, -(2**15)), 2**15 - 1)


def _function(x: float) -> float:
    """In LiteRT's order: each step is rounded to float32."""
    single = np.float32(x)
    gate = np.minimum(np.maximum(single + np.float32(3.0), np.float32(0.0)), np.float32(6.0))
    return float(single * gate / np.float32(6.0))
