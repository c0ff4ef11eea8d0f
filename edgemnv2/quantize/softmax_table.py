"""The exponentials of TFLite's integer softmax, for the 256 possible distances from the maximum.

Source: TFLite `reference/softmax.h`, `PreprocessSoftmaxScaling` and `CalculateInputRadius`, and
gemmlowp `fixedpoint.h`, `exp_on_negative_values`. `Qn.m` below means n integer and m fraction bits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.quantize.fixed_point import (
    INT32_MAX,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

__all__ = ["softmax_exp_table"]

Array = NDArray[Any]

INPUT_INTEGER_BITS = 5
"""The scaled distance is Q5.26 (`kScaledDiffIntegerBits`)."""
ONE_QUARTER = 1 << 24
"""0.25 in Q5.26."""
BARREL = (
    (-2, 1672461947),
    (-1, 1302514674),
    (0, 790015084),
    (1, 290630308),
    (2, 39332535),
    (3, 720401),
    (4, 242),
)
"""`(k, exp(-2**k) in Q0.31)`: one factor per bit of the distance above a quarter."""


def softmax_exp_table(scale: float, beta: float = 1.0) -> Array:
    """int32 `[256]`: exp(-d * scale * beta) in Q0.31 for d = max - x, as TFLite computes it.

    `scale` is the input tensor's. Entries beyond TFLite's `diff_min` are 0, which gives the same
    sum and the same output as its test does.
    """
    limit = float((1 << 31) - 1)
    real = min(beta * scale * float(1 << (31 - INPUT_INTEGER_BITS)), limit)
    multiplier, shift = quantize_multiplier(real)
    radius = math.floor(
        ((1 << INPUT_INTEGER_BITS) - 1)
        * float(1 << (31 - INPUT_INTEGER_BITS))
        / math.ldexp(1.0, shift)
    )
    distance = np.arange(256, dtype=np.int64)
    kept = distance <= radius
    # Beyond the radius the shift would overflow; those entries are cut off anyway.
    scaled = np.where(kept, -distance, 0) * np.int64(1 << max(shift, 0))
    scaled = saturating_rounding_doubling_high_mul(scaled, np.int64(multiplier))
    scaled = rounding_divide_by_pot(scaled, np.int64(max(-shift, 0)))
    return np.where(kept, _exp_on_negative_values(scaled), 0).astype(np.int32)


def _exp_on_negative_values(a: Array) -> Array:
    """exp of Q5.26 values <= 0, in Q0.31 (int64 arrays)."""
    fraction = (a & (ONE_QUARTER - 1)) - ONE_QUARTER
    result = _exp_between_minus_quarter_and_0(fraction << INPUT_INTEGER_BITS)
    remainder = fraction - a
    for exponent, factor in BARREL:
        bit = np.int64(1 << (31 - INPUT_INTEGER_BITS + exponent))
        product = saturating_rounding_doubling_high_mul(result, np.int64(factor))
        result = np.where(remainder & bit, product, result)
    return np.where(a == 0, np.int64(INT32_MAX), result)


def _exp_between_minus_quarter_and_0(a: Array) -> Array:
    """exp of Q0.31 values in [-1/4, 0), by Taylor's series around -1/8."""
    exp_minus_eighth, third = np.int64(1895147668), np.int64(715827883)
    x = a + (1 << 28)
    x2 = saturating_rounding_doubling_high_mul(x, x)
    x3 = saturating_rounding_doubling_high_mul(x2, x)
    x4 = saturating_rounding_doubling_high_mul(x2, x2)
    x4_over_4 = rounding_divide_by_pot(x4, np.int64(2))
    series = saturating_rounding_doubling_high_mul(x4_over_4 + x3, third) + x2
    series = x + rounding_divide_by_pot(series, np.int64(1))
    return exp_minus_eighth + saturating_rounding_doubling_high_mul(series, exp_minus_eighth)
