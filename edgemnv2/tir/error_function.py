"""The error function of float32 without a library call."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, scalar
from edgemnv2.tir.exponential import exponential

__all__ = ["error_function"]

Expr = Any
COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
"""Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; the highest power first."""
STEP = 0.3275911


def error_function(k: Builder, x: Expr) -> Expr:
    """erf of a float32 expression, within 1e-6."""
    zero, one = scalar(0.0, "float32"), scalar(1.0, "float32")
    value = k.let(x)
    size = k.let(tirx.Max(value, zero - value))
    t = k.let(one / (one + size * scalar(STEP, "float32")))
    series: Expr = scalar(COEFFICIENTS[0], "float32")
    for coefficient in COEFFICIENTS[1:]:
        series = k.let(series * t + scalar(coefficient, "float32"))
    limited = k.let(tirx.Min(size, scalar(9.0, "float32")))
    power = k.let(exponential(k, k.let(zero - limited * limited)))
    result = k.let(one - series * t * power)
    return tirx.Select(value < zero, zero - result, result)
