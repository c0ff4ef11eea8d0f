"""gemmlowp's and TFLite's fixed-point functions as TIR: reciprocal, logarithm, inverse root.

All expressions are int64 and hold int32 values. Each number goes through a local variable: TVM's
simplifier would otherwise inline the whole chain into itself and not come back.

Sources: gemmlowp `fixedpoint/fixedpoint.h`, TFLite `kernels/internal/common.h`.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, element
from edgemnv2.tir.requantize import srdhm, wide

__all__ = [
    "divide_by_pot",
    "inverse_root",
    "keep",
    "leading_zeros",
    "logarithm",
    "reciprocal",
    "saturated",
]

Expr = Any
LOG_2 = 1488522236
HALF_ROOT = 1518500250
"""sqrt(1/2), like all of these in Q0.31."""
FOURTH_ROOT = 1805811301
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708
"""Of the rational function that stands for the logarithm."""
SUM_BITS = 6
"""Integer bits with which terms of the logarithm are added."""


def keep(k: Builder, value: Expr) -> Expr:
    """`value` by a local variable."""
    cell = k.registers("int64", 1)
    k.set(cell, 0, value)
    return element(cell, 0)


def saturated(value: Expr) -> Expr:
    """`value` as near as an int32 comes."""
    return tirx.Min(tirx.Max(value, wide(-(2**31))), wide(2**31 - 1))


def divide_by_pot(value: Expr, bits: Expr) -> Expr:
    """RoundingDivideByPOT, halves away from zero; `bits` may be 0."""
    half = (wide(1) << bits) >> wide(1)
    below = tirx.Select(value < wide(0), tirx.Min(half, wide(1)), wide(0))
    return (value + half - below) >> bits


def leading_zeros(k: Builder, value: Expr) -> tuple[Expr, Expr]:
    """How many of 32 bits are zero in front of `value` > 0, and `value` shifted left by them."""
    normal, zeros = keep(k, value), keep(k, wide(0))
    for bits in (16, 8, 4, 2, 1):
        small = normal < wide(1 << (32 - bits))
        zeros = keep(k, zeros + tirx.Select(small, wide(bits), wide(0)))
        normal = keep(k, tirx.Select(small, normal << wide(bits), normal))
    return zeros, normal


def reciprocal(k: Builder, half_denominator: Expr) -> Expr:
    """`1 / (1 + x)` in Q0.31 for x from 0 to 1; `half_denominator` is `(1 + x) / 2` in Q0.31.

    Newton-Raphson from 48/17 - 32/17 d, three steps, in Q2.29.
    """
    half = keep(k, half_denominator)
    guess = keep(k, wide(1515870810) + srdhm(half, wide(-1010580540)))
    for _ in range(3):
        error = keep(k, wide(1 << 29) - srdhm(half, guess))
        guess = keep(k, guess + saturated(srdhm(guess, error) << wide(2)))
    return keep(k, saturated(guess << wide(1)))


def logarithm(k: Builder, value: Expr, integer_bits: int) -> Expr:
    """The logarithm in Q5.26 of a number of 1 or more with `integer_bits` integer bits."""
    z = keep(k, value)
    zeros_a, normal_a = leading_zeros(k, z)
    z_b = keep(k, srdhm(z, wide(HALF_ROOT)))
    zeros_b, _ = leading_zeros(k, z_b)
    headroom = keep(k, zeros_b - wide(1))
    r_a = keep(k, saturated(srdhm(normal_a >> wide(1), wide(HALF_ROOT)) << wide(1)))
    r_b = keep(k, saturated(z << headroom))
    unit, quarter = 31 - SUM_BITS, wide(1 << (31 - SUM_BITS - 2))
    power_a = keep(k, ((wide(integer_bits) - zeros_a) << wide(unit)) + quarter)
    power_b = keep(k, ((wide(integer_bits) - headroom) << wide(unit)) - quarter)
    r, power = keep(k, tirx.Min(r_a, r_b)), keep(k, tirx.Max(power_a, power_b))
    p = keep(k, (r + wide(FOURTH_ROOT + 1)) >> wide(1))
    q = keep(k, (r - wide(FOURTH_ROOT)) * wide(2))
    square = keep(k, srdhm(q, q))
    cubic = keep(k, srdhm(keep(k, srdhm(q, square)), wide(ALPHA_N)))
    above = keep(k, srdhm(q, r) + cubic)
    inner = keep(k, wide(ALPHA_I) + q + srdhm(square, wide(ALPHA_D)))
    below = keep(k, srdhm(p, inner) + srdhm(q, wide(ALPHA_F)))
    # RoundingHalfSum(below, 2**31 - 1).
    inverse = reciprocal(k, (below + wide(1 << 31)) >> wide(1))
    ratio = srdhm(divide_by_pot(above, wide(SUM_BITS)), inverse)
    return keep(k, saturated((srdhm(power, wide(LOG_2)) + ratio) << wide(1)))


def inverse_root(k: Builder, value: Expr) -> tuple[Expr, Expr]:
    """TFLite's GetInvSqrtQuantizedMultiplierExp of an int32: multiplier and left shift."""
    x, right = keep(k, value), keep(k, wide(11))
    # 2**29 and more: a quarter, at most once for an int32.
    large = x >= wide(1 << 29)
    right = keep(k, tirx.Select(large, wide(12), right))
    x = keep(k, tirx.Select(large, x >> wide(2), x))
    zeros, _ = leading_zeros(k, tirx.Max(x, wide(1)))
    pairs = keep(k, ((zeros - wide(1)) >> wide(1)) - wide(1))
    right = keep(k, right - pairs)
    x = keep(k, x << (pairs * wide(2)))
    # Newton's iteration in Q3.28, from 1 on; products have 6 and 9 integer bits.
    half = keep(k, divide_by_pot(x >> wide(1), wide(1)))
    root = keep(k, wide(1 << 28))
    for _ in range(5):
        cube = keep(k, saturated(srdhm(keep(k, srdhm(root, root)), root) << wide(6)))
        step = keep(k, srdhm(wide(3 << 27), root) - srdhm(half, cube))
        root = keep(k, saturated(step << wide(3)))
    root = keep(k, srdhm(root, wide(HALF_ROOT)))
    more = keep(k, tirx.Max(wide(0) - right, wide(0)))
    root, left = keep(k, root << more), keep(k, tirx.Min(wide(0) - right, wide(0)))
    # 0 and 1 would overflow.
    least = keep(k, value) <= wide(1)
    return (
        keep(k, tirx.Select(least, wide(2**31 - 1), root)),
        keep(k, tirx.Select(least, wide(0), left)),
    )
