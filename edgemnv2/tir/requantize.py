"""Scalar arithmetic that the plain kernels share: requantisation as TIR expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.tir.builder import Builder, cast, load, scalar

__all__ = [
    "Clamp",
    "clamped",
    "even_facts",
    "halves_to_even",
    "requantize",
    "requantize_constants",
    "rescale",
    "srdhm",
    "wide",
]

Expr = Any
Clamp = tuple[float, float]
FURTHEST = 1 << 30
"""Beyond any output, and still int32 with a zero point."""


def wide(value: int) -> Expr:
    """An int64 constant."""
    return tirx.const(value, "int64")


def srdhm(a: Expr, b: Expr) -> Expr:
    """SaturatingRoundingDoublingHighMul of int64 expressions that hold int32 values.

    gemmlowp rounds with a nudge of the product's sign and truncates; that is the floor of
    (a * b + 2**30) / 2**31. A multiplier is never -2**31, so nothing saturates.
    """
    return (a * b + wide(1 << 30)) >> wide(31)


def even_facts(factor: Requantize | None) -> dict[str, Any]:
    """What of ONNX's rounding shapes the code; nothing for TFLite's."""
    if factor is None or factor.rounding != "even":
        return {}
    return {
        "rounding": "even",
        "addend": factor.addend is not None,
        "halves": _may_meet_halves(factor),
    }


def _may_meet_halves(factor: Requantize) -> bool:
    """Whether some sum may be a half, or some product beyond int32 when it is shifted.

    The product of an odd multiplier has a half at sums of 2**31 only, if it shifts to the right.
    """
    live = factor.multiplier != 0
    safe = (factor.multiplier % 2 == 1) & (factor.shift <= -1)
    return factor.addend is not None or bool((live & ~safe).any())


def halves_to_even(k: Builder, product: Expr, bits: Expr) -> Expr:
    """`product / 2**bits` of int64 expressions, halves to even; `bits` at least 1. int32.

    What is far beyond any output is limited, so that zero points can be added.
    """
    half = k.let(wide(1) << (bits - wide(1)))
    odd = (product >> bits) & wide(1)
    rounded = k.let((product + half - wide(1) + odd) >> bits)
    return cast(tirx.Max(tirx.Min(rounded, wide(FURTHEST)), wide(-FURTHEST)), "int32")


def rescale(
    k: Builder,
    value: Expr,
    multiplier: Expr,
    shift: Expr,
    factor: Requantize | None = None,
    addend: Expr = None,
) -> Expr:
    """An int32 expression by a factor, int32; `shift` positive to the left. See `Requantize`.

    `factor` says how it is rounded (None: as TFLite's); its numbers are in the expressions.
    """
    rounding = "twice" if factor is None else factor.rounding
    if rounding == "even":
        assert factor is not None
        product = cast(value, "int64") * cast(multiplier, "int64")
        if not _may_meet_halves(factor):
            bits = k.let(wide(31) - cast(shift, "int64"))
            half = wide(1) << (bits - wide(1))
            return cast((product + half) >> bits, "int32")
        product = k.let(product if addend is None else product + addend)
        return halves_to_even(k, product, k.let(wide(31) - cast(shift, "int64")))
    if rounding == "once":
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
    """Bias, multiplier and shift, int32 `[C]` each, as `requantize` reads them; and the addend.

    An addend is two words, the lower one first.
    """
    words: tuple[Any, ...] = (
        np.ascontiguousarray(bias, np.int32),
        np.ascontiguousarray(factor.multiplier, np.int32),
        np.ascontiguousarray(factor.shift, np.int32),
    )
    if factor.addend is not None:
        words += (np.ascontiguousarray(factor.addend, "<i8").view(np.int32),)
    return words


def requantize(
    k: Builder,
    accumulator: Expr,
    parameters: Sequence[Any],
    channel: Expr,
    zero_point: int,
    clamp: Clamp,
    dtype: str,
    factor: Requantize | None = None,
) -> Expr:
    """The stored value of one output: bias is in `accumulator` already.

    `parameters` are the buffers of multiplier and shift, and of the addend if there is one.
    """
    multiplier, shift, *addends = parameters
    addend: Expr = None
    if addends:
        low, high = (cast(load(addends[0], channel * 2 + i, "int32"), "int64") for i in (0, 1))
        addend = k.let((high << wide(32)) + (low & wide(0xFFFFFFFF)))
    value = rescale(
        k,
        accumulator,
        load(multiplier, channel, "int32"),
        load(shift, channel, "int32"),
        factor,
        addend,
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
