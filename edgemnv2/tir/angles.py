"""Sine, cosine and arctangent of float32 without a library call.

Polynomials of Moshier's Cephes library (sinf.c, atanf.c), within 2e-7 on their intervals.
"""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, scalar

__all__ = ["arctangent", "cosine", "sine"]

Expr = Any
QUARTER_TURNS = (1.5703125, 0.00048375129699707031, 7.54978995489188216e-8)
"""pi / 2 in three parts; products of the first two with numbers of 13 bits are exact."""
TURNS_PER_RADIAN = 0.6366197723675814
"""2 / pi: quarters of a turn."""
EIGHTH = 0.8
"""Radians; a little above the pi / 4 that is left at most."""
BEYOND = 2.0**30
"""From here on a step of float32 is ten turns and more: such angles say nothing,
and are taken as 0."""
LARGEST = 3.4028234663852886e38
"""Of float32."""
SINE = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COSINE = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
ARCTANGENT = (8.05374449538e-2, -1.38776856032e-1, 1.99777106478e-1, -3.33329491539e-1)
"""The highest power first."""
TAN_3_8, TAN_1_8 = 2.414213562373095, 0.4142135623730950
"""Of 3/8 and 1/8 pi."""


def sine(k: Builder, x: Expr) -> Expr:
    """The sine of a float32 expression: that of an angle within a step of float32 or two of it."""
    return _circular(k, x, 0)


def cosine(k: Builder, x: Expr) -> Expr:
    """The cosine of a float32 expression, as `sine`."""
    return _circular(k, x, 1)


def _circular(k: Builder, x: Expr, ahead: int) -> Expr:
    """The sine of `x` and `ahead` quarters of a turn."""
    zero, one, half = (scalar(value, "float32") for value in (0.0, 1.0, 0.5))
    value = k.let(x)
    within = tirx.all(value < scalar(BEYOND, "float32"), value > scalar(-BEYOND, "float32"))
    angle = k.let(tirx.Select(within, value, zero))
    quarters = k.let(angle * scalar(TURNS_PER_RADIAN, "float32"))
    steps = k.let(tirx.Cast("int32", quarters + tirx.Select(quarters < zero, zero - half, half)))
    whole = k.let(tirx.Cast("float32", steps))
    rest: Expr = angle
    for part in QUARTER_TURNS:
        rest = k.let(rest - whole * scalar(part, "float32"))
    # Of large angles the products above are rounded, by as much as the angle itself is.
    edge = scalar(EIGHTH, "float32")
    rest = tirx.Min(tirx.Max(rest, zero - edge), edge)
    # What is infinite or no number makes NaN of the series below.
    largest = scalar(LARGEST, "float32")
    finite = tirx.all(value <= largest, value >= zero - largest)
    rest = k.let(tirx.Select(finite, rest, value))
    square = k.let(rest * rest)
    odd = _series(k, SINE, square) * square * rest + rest
    even = one - half * square + _series(k, COSINE, square) * square * square
    turn = k.let(steps + scalar(ahead, "int32"))
    size = k.let(tirx.Select((turn & scalar(1, "int32")) == scalar(1, "int32"), even, odd))
    below = (turn & scalar(2, "int32")) == scalar(2, "int32")
    return tirx.Select(below, zero - size, size)


def arctangent(k: Builder, x: Expr) -> Expr:
    """The arctangent of a float32 expression, within 2e-7."""
    zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
    value = k.let(x)
    size = k.let(tirx.Select(value < zero, zero - value, value))
    steep, slanted = size > scalar(TAN_3_8, "float32"), size > scalar(TAN_1_8, "float32")
    above = tirx.Select(steep, zero - one, tirx.Select(slanted, size - one, size))
    under = tirx.Select(steep, size, tirx.Select(slanted, size + one, one))
    start = tirx.Select(
        steep,
        scalar(1.5707963267948966, "float32"),
        tirx.Select(slanted, scalar(0.7853981633974483, "float32"), zero),
    )
    ratio = k.let(above / under)
    square = k.let(ratio * ratio)
    angle = k.let(start + (_series(k, ARCTANGENT, square) * square * ratio + ratio))
    return tirx.Select(value < zero, zero - angle, angle)


def _series(k: Builder, coefficients: tuple[float, ...], x: Expr) -> Expr:
    total: Expr = scalar(coefficients[0], "float32")
    for coefficient in coefficients[1:]:
        total = k.let(total * x + scalar(coefficient, "float32"))
    return total
