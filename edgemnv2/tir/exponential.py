"""exp of float32 without a library call."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, cast, scalar

__all__ = ["exponential", "hyperbolic_tangent"]

Expr = Any


def exponential(k: Builder, x: Expr) -> Expr:
    """exp of a float32 expression that is at most 0, within 2 units in the last place.

    No library call: 2**n times a polynomial on [-ln(2)/2, ln(2)/2], Taylor's terms up to x**7/7!.
    """
    limited = k.let(tirx.Max(x, scalar(-87.0, "float32")))  # below that float32 is denormal
    scaled = k.let(limited * scalar(1.44269504088896341, "float32"))
    n = k.let(cast(scaled - scalar(0.5, "float32"), "int32"))
    whole = k.let(cast(n, "float32"))
    # ln(2) in two parts, so that the product with n is exact.
    rest = k.let(limited - whole * scalar(0.693359375, "float32"))
    rest = k.let(rest + whole * scalar(2.12194440e-4, "float32"))
    value: Expr = scalar(1.0 / 5040.0, "float32")
    for factor in (720.0, 120.0, 24.0, 6.0, 2.0, 1.0, 1.0):
        value = k.let(value * rest + scalar(1.0 / factor, "float32"))
    bits = k.let((n + scalar(127, "int32")) << scalar(23, "int32"))
    return value * tirx.reinterpret("float32", bits)


def hyperbolic_tangent(k: Builder, x: Expr) -> Expr:
    """tanh of a float32 expression, within 1e-6."""
    # Of -2 |x|, whose exponential cannot overflow.
    zero, one, two = (scalar(value, "float32") for value in (0.0, 1.0, 2.0))
    power = k.let(exponential(k, k.let(tirx.Min(x, zero - x) * two)))
    size = k.let((one - power) / (one + power))
    large = tirx.Select(x > zero, size, zero - size)
    # The difference cancels near zero, where the series is exact enough.
    square = k.let(x * x)
    series = x * (one - square * scalar(1.0 / 3.0, "float32"))
    return tirx.Select(square < scalar(1e-4, "float32"), series, large)
