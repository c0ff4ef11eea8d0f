"""log of float32 without a library call."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, cast, reinterpret, scalar

__all__ = ["logarithm"]

Expr = Any
MANTISSA_BITS = 23
SQRT_HALF_BITS = 0x3F3504F3
MINUS_INFINITY_BITS = 0xFF800000 - (1 << 32)
NOT_A_NUMBER_BITS = 0x7FC00000


def logarithm(k: Builder, x: Expr) -> Expr:
    """The natural logarithm of a float32 expression, within 2 units in the last place.

    Of 0 it is minus infinity, of what is below no number. Denormal numbers count as the least one
    that is not.
    """
    value = k.let(x)
    bits = k.let(reinterpret(tirx.Max(value, scalar(1.17549435e-38, "float32")), "int32"))
    # x = 2**exponent * fraction, and the fraction from sqrt(1/2) to sqrt(2).
    above = k.let(bits - scalar(SQRT_HALF_BITS, "int32"))
    exponent = k.let(above >> scalar(MANTISSA_BITS, "int32"))
    shifted = k.let(bits - (exponent << scalar(MANTISSA_BITS, "int32")))
    fraction = k.let(reinterpret(shifted, "float32"))
    one = scalar(1.0, "float32")
    # log(fraction) = 2 atanh(s), Taylor's terms up to s**9 / 9.
    s = k.let((fraction - one) / (fraction + one))
    square = k.let(s * s)
    series: Expr = scalar(1.0 / 9.0, "float32")
    for divisor in (7.0, 5.0, 3.0):
        series = k.let(series * square + scalar(1.0 / divisor, "float32"))
    rest = k.let(s * scalar(2.0, "float32") * (one + series * square))
    whole = k.let(cast(exponent, "float32"))
    # ln(2) in two parts, so that the product with the exponent is exact.
    total = whole * scalar(0.693359375, "float32")
    total = k.let(total + (rest - whole * scalar(2.12194440e-4, "float32")))
    zero = scalar(0.0, "float32")
    infinite = reinterpret(scalar(MINUS_INFINITY_BITS, "int32"), "float32")
    none = reinterpret(scalar(NOT_A_NUMBER_BITS, "int32"), "float32")
    return tirx.Select(value > zero, total, tirx.Select(value < zero, none, infinite))
