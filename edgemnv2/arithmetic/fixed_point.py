"""TFLite's fixed-point requantisation, the one definition that every kernel is held against.

Source: TFLite `kernels/internal/common.h` and gemmlowp `fixedpoint.h` (double rounding, as the
reference kernels, TFLM and CMSIS-NN do).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize

__all__ = [
    "make_requantize",
    "multiply_by_quantized_multiplier",
    "one_less_rounds_once",
    "quantize_multiplier",
    "rescaled",
    "round_half_even",
    "rounding_divide_by_pot",
    "saturating_rounding_doubling_high_mul",
]

Array = NDArray[Any]
Values = Array | np.int64 | int
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
_OUTPUTS = 256
"""Steps from the zero point to the furthest 8-bit value, at most."""
_MOST_RIGHT = 21
"""Shifts up to which 64 bits hold the products."""


def quantize_multiplier(real: float) -> tuple[int, int]:
    """`(multiplier, shift)` with `real ~ multiplier * 2**(shift - 31)`, as `QuantizeMultiplier`."""
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    # TfLiteRound rounds halves away from zero; the product is exact in double, and positive.
    multiplier = math.floor(fraction * 2.0**31 + 0.5)
    if multiplier == 2**31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return INT32_MAX, 30
    return multiplier, shift


def make_requantize(reals: Sequence[float] | Array) -> Requantize:
    """The `Requantize` of one real factor per channel."""
    pairs = [quantize_multiplier(float(real)) for real in reals]
    return Requantize(
        np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int32)
    )


def saturating_rounding_doubling_high_mul(a: Values, b: Values) -> Array:
    """gemmlowp's SRDHM on int64 arrays that hold int32 values: `round(a * b / 2**31)`, saturated.

    Its nudge and truncating division come to one rounding for either sign: halves upwards.
    """
    high = (np.asarray(a, np.int64) * np.asarray(b, np.int64) + (1 << 30)) >> 31
    return np.asarray(np.minimum(high, INT32_MAX))


def rounding_divide_by_pot(x: Array, exponent: Values) -> Array:
    """`x / 2**exponent`, halves away from zero; int64 arrays."""
    mask = (np.int64(1) << np.asarray(exponent, np.int64)) - 1
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + ((x & mask) > threshold))


def multiply_by_quantized_multiplier(x: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite's `MultiplyByQuantizedMultiplier` (double rounding), elementwise, int64 result.

    `x` holds int32 values; `multiplier` and `shift` broadcast against it. The left shift wraps
    at 32 bits as the C code does.
    """
    shift = np.asarray(shift, np.int64)
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = (np.asarray(x, np.int64) << left).astype(np.int32).astype(np.int64)
    high = saturating_rounding_doubling_high_mul(shifted, np.asarray(multiplier, np.int64))
    return rounding_divide_by_pot(high, right)


def round_half_even(x: Array, bits: Values) -> Array:
    """`x / 2**bits`, halves to even; int64 arrays, `bits` at least 1."""
    bits = np.asarray(bits, np.int64)
    floor = x >> bits
    rest = x - (floor << bits)
    half = np.int64(1) << (bits - 1)
    return np.asarray(floor + ((rest > half) | ((rest == half) & (floor & 1 == 1))))


def rescaled(x: Array, factor: Requantize) -> Array:
    """`x` (int32 values, channels last) by a factor as its `rounding` says, int64."""
    multiplier, shift = factor.multiplier, factor.shift
    if factor.rounding == "twice":
        return multiply_by_quantized_multiplier(x, multiplier, shift)
    product = np.asarray(x, np.int64) * multiplier.astype(np.int64)
    bits = 31 - shift.astype(np.int64)
    if factor.rounding == "even":
        addend = 0 if factor.addend is None else factor.addend
        return round_half_even(product + addend, bits)
    half = (np.int64(1) << bits) >> 1
    return np.asarray((product + half - (product < 0)) >> bits)


def one_less_rounds_once(multiplier: Array, shift: Array) -> Array:
    """Whether two roundings of one accumulator less are one rounding of it, bool `[C]`.

    The two roundings both take halves upwards, as Arm's VQRDMULH and VRSHL do; the one takes them
    away from zero. Both are monotone steps of the accumulator: equal, if each step to an 8-bit
    output lies at the same place. Never for shifts that are not to the right.
    """
    m = np.asarray(multiplier, np.int64)[:, np.newaxis]
    right = -np.asarray(shift, np.int64)[:, np.newaxis]
    possible = ((right >= 1) & (right <= _MOST_RIGHT) & (m != 0))[:, 0]
    m, right = np.where(m == 0, 1, m), np.clip(right, 1, _MOST_RIGHT)
    half = np.int64(1) << (right + 30)
    outputs = np.arange(-_OUTPUTS, _OUTPUTS + 1, dtype=np.int64)
    # The least accumulator of each output; a half counts for the one away from zero.
    lowest = (outputs << (right + 31)) - half + (outputs <= 0)
    first = -(-lowest // m)

    def twice(accumulator: Array) -> Array:
        high = ((accumulator - 1) * m + (1 << 30)) >> 31
        return np.asarray((high + (np.int64(1) << (right - 1))) >> right)

    alike = (twice(first) >= outputs).all(axis=1) & (twice(first - 1) < outputs).all(axis=1)
    return np.asarray(possible & alike)
