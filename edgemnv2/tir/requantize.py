"""Scalar arithmetic that the plain kernels share: TFLite's requantisation as TIR expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.tir.builder import Builder, cast, load, scalar

__all__ = ["Clamp", "clamped", "requantize", "requantize_constants", "rescale", "srdhm"]

Expr = Any
Clamp = tuple[float, float]


def wide(value: int) -> Expr:
    """An int64 constant."""
    return tirx.const(value, "int64")


def srdhm(a: Expr, b: Expr) -> Expr:
    """SaturatingRoundingDoublingHighMul of int64 expressions that hold int32 values.

    gemmlowp rounds with a nudge of the product's sign and truncates; that is the floor of
    (a * b + 2**30) / 2**31. A multiplier is never -2**31, so nothing saturates.
    """
    return (a * b + wide(1 << 30)) >> wide(31)


def rescale(
    k: Builder, value: Expr, multiplier: Expr, shift: Expr, single_rounding: bool = False
) -> Expr:
    """MultiplyByQuantizedMultiplier of an int32 expression, int32; `shift` positive to the left."""
    if single_rounding:
        product = k.let(cast(value, "int64") * cast(multiplier, "int64"))
        bits = k.let(wide(31) - cast(shift, "int64"))
        half = k.let((wide(1) << bits) >> wide(1))
        # Halves away from zero.
        return cast((product + half + (product >> wide(63))) >> bits, "int32")
    zero = scalar(0, "int32")
    left = k.let(tirx.Max(shift, zero))
    right = k.let(tirx.Max(zero - shift, zero))
    shifted = k.let(value << left)
    high = k.let(cast(srdhm(cast(shifted, "int64"), cast(multiplier, "int64")), "int32"))
    # Halves away from zero: half of the divisor, one less for negative numbers.
    one = scalar(1, "int32")
    half = k.let((one << right) >> one)
    sign = k.let(tirx.Select(right > zero, high >> scalar(31, "int32"), zero))
    return (high + half + sign) >> right


def requantize_constants(bias: Any, factor: Requantize) -> tuple[Any, ...]:
    """Bias, multiplier and shift, int32 `[C]` each, as `requantize` reads them."""
    return (
        np.ascontiguousarray(bias, np.int32),
        np.ascontiguousarray(factor.multiplier, np.int32),
        np.ascontiguousarray(factor.shift, np.int32),
    )


def requantize(
    k: Builder,
    accumulator: Expr,
    parameters: Sequence[Any],
    channel: Expr,
    zero_point: int,
    clamp: Clamp,
    dtype: str,
    single_rounding: bool = False,
) -> Expr:
    """The stored value of one output: bias is in `accumulator` already.

    `parameters` are the buffers of multiplier and shift.
    """
    multiplier, shift = parameters
    value = rescale(
        k,
        accumulator,
        load(multiplier, channel, "int32"),
        load(shift, channel, "int32"),
        single_rounding,
    )
    return clamped(k.let(value) + scalar(zero_point, "int32"), clamp, "int32", dtype)


def clamped(value: Expr, clamp: Clamp, compute: str, dtype: str) -> Expr:
    """`value` of type `compute` limited to `clamp` and converted to `dtype`."""
    low, high = clamp
    if np.isfinite(low):
        value = tirx.Max(value, tirx.const(low if compute == "float32" else int(low), compute))
    if np.isfinite(high):
        value = tirx.Min(value, tirx.const(high if compute == "float32" else int(high), compute))
    return value if compute == dtype else cast(value, dtype)
