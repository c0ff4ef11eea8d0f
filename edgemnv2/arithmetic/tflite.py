"""The constants of TFLite's integer kernels: factors, clamp limits, the exponential table.

Sources: TFLite `kernels/kernel_util.cc` (PopulateConvolutionQuantizationParams,
CalculateActivationRangeQuantized), `kernels/add.cc`, `kernels/internal/reference/reduce.h`,
`kernels/internal/quantization_util.cc` (PreprocessSoftmaxScaling, CalculateInputRadius) and
gemmlowp `fixedpoint/fixedpoint.h` (exp_on_negative_values).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import make_requantize, quantize_multiplier
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.scalar import divide_by_pot, high_mul, scaled
from edgemnv2.model import QuantParams

__all__ = [
    "ADD_LEFT_SHIFT",
    "COMPARISON_LEFT_SHIFT",
    "DIFFERENCE_LEFT_SHIFT",
    "add_rescale",
    "clamp_limits",
    "comparison_rescale",
    "convolution_requantize",
    "dense_requantize",
    "exp_table",
    "mean_requantize",
    "rescale_requantize",
    "softmax_distances",
    "squared_difference_rescale",
]

Array = NDArray[Any]
DIFFERENCE_LEFT_SHIFT = 7
"""Of SQUARED_DIFFERENCE: squares of what is shifted by it fit in 32 bits."""
ADD_LEFT_SHIFT = 20
COMPARISON_LEFT_SHIFT = 8
SOFTMAX_INTEGER_BITS = 5


def convolution_requantize(
    x: QuantParams, weight_scale: Array, y: QuantParams, channels: int, *, legacy: bool = False
) -> Requantize:
    """Factor per output channel, `sx * sw / sy`, in double.

    `legacy` (uint8 convolutions) takes the product `sx * sw` in float32 first.
    """
    scales = np.broadcast_to(weight_scale.astype(np.float32).reshape(-1), (channels,))
    if legacy:
        product = (np.float32(x.scale) * scales).astype(np.float64)
    else:
        product = np.float64(x.scale) * scales.astype(np.float64)
    return make_requantize(product / np.float64(y.scale))


def dense_requantize(
    x: QuantParams, weight_scale: Array, y: QuantParams, channels: int
) -> Requantize:
    """The factors of LiteRT's FULLY_CONNECTED, which rounds `acc * (sx * sw / sy)` once.

    It multiplies in double (`reference/integer_ops/fully_connected.h`); 31 bits of the factor
    round alike unless the product lies within 2**-24 of a half, which int8 outputs never see.
    """
    return replace(convolution_requantize(x, weight_scale, y, channels), rounding="once")


def add_rescale(
    a: QuantParams, b: QuantParams, y: QuantParams
) -> tuple[Requantize, Requantize, Requantize]:
    """The factors of ADD's two inputs and of its sum, at `ADD_LEFT_SHIFT`."""
    twice = 2.0 * max(a.scale, b.scale)
    return (
        make_requantize([a.scale / twice]),
        make_requantize([b.scale / twice]),
        make_requantize([twice / ((1 << ADD_LEFT_SHIFT) * y.scale)]),
    )


def squared_difference_rescale(
    a: QuantParams, b: QuantParams, y: QuantParams
) -> tuple[Requantize, Requantize, Requantize]:
    """The factors of SQUARED_DIFFERENCE's two inputs and of the square, at its left shift."""
    twice = 2.0 * max(a.scale, b.scale)
    return (
        *add_rescale(a, b, y)[:2],
        make_requantize([twice * twice / ((1 << 2 * DIFFERENCE_LEFT_SHIFT) * y.scale)]),
    )


def comparison_rescale(a: QuantParams, b: QuantParams) -> tuple[Requantize, Requantize]:
    """The factors of a comparison's two operands: their scales, at its left shift."""
    return make_requantize([a.scale]), make_requantize([b.scale])


def rescale_requantize(x: QuantParams, y: QuantParams) -> Requantize:
    """The factor from one quantisation to another, QUANTIZE's."""
    return make_requantize([x.scale / y.scale])


def mean_requantize(x: QuantParams, y: QuantParams, count: int) -> Requantize:
    """MEAN's factor `sx / sy / count`, the count divided into the integer multiplier.

    The multiplier may be below 2**30 (down to 2**29): normalising it would change the rounding.
    """
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    # As many bits as the count has, so that the quotient keeps its precision.
    bits = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier = (multiplier << bits) // count
    return Requantize(np.array([multiplier], np.int32), np.array([shift - bits], np.int32))


def clamp_limits(clamp: tuple[float, float], y: QuantParams, dtype: str) -> tuple[float, float]:
    """Real clamp limits as stored values of `dtype`."""
    limits = np.iinfo(dtype)

    def stored(real: float) -> float:
        if math.isinf(real):
            return float(limits.min if real < 0 else limits.max)
        ratio = float(np.float32(real) / np.float32(y.scale))
        # TfLiteRound: halves away from zero.
        rounded = math.floor(abs(ratio) + 0.5) * (1 if ratio >= 0 else -1)
        return float(min(max(rounded + y.zero_point, limits.min), limits.max))

    return stored(clamp[0]), stored(clamp[1])


def exp_table(scale: float, beta: float = 1.0) -> Array:
    """`[256]` int32: exp(-d * scale * beta) in Q0.31 for d = max - x; see `graph.Softmax`."""
    distances, furthest, _ = softmax_distances(scale, beta)
    table = np.zeros(256, np.int32)
    for distance in range(min(furthest, 255) + 1):
        table[distance] = _exp_on_negative_values(int(distances[distance]))
    return table


def softmax_distances(scale: float, beta: float = 1.0) -> tuple[Array, int, Requantize]:
    """How softmax and its logarithm see the distance d = max - x.

    `[256]` int32, -d * scale * beta in Q5.26 as far as that can be told; the furthest that it can;
    and the factor back, from Q5.26 to whole steps.
    """
    fraction_bits = 31 - SOFTMAX_INTEGER_BITS
    real = min(beta * scale * (1 << fraction_bits), 2.0**31 - 1)
    multiplier, left_shift = quantize_multiplier(real)
    radius = math.ldexp((1 << SOFTMAX_INTEGER_BITS) - 1, fraction_bits - left_shift)
    furthest = math.floor(min(radius, 2.0**31 - 2))
    distances = np.zeros(256, np.int32)
    for distance in range(256):
        distances[distance] = scaled(-min(distance, furthest), multiplier, left_shift)
    # A scale of next to nothing has no way back, and needs none.
    back = make_requantize([math.ldexp(1.0, 31 - left_shift) / multiplier if multiplier else 0.0])
    return distances, furthest, back


def _exp_on_interval(a: int) -> int:
    """exp(a) for a in [-1/4, 0), Q0.31: Taylor series around -1/8."""
    exp_minus_eighth, third = 1895147668, 715827883
    x = a + (1 << 28)
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    x4_over_4 = divide_by_pot(x4, 2)
    series = divide_by_pot(high_mul(x4_over_4 + x3, third) + x2, 1)
    return exp_minus_eighth + high_mul(exp_minus_eighth, x + series)


def _exp_on_negative_values(a: int) -> int:
    """exp(a) in Q0.31 for a <= 0 in Q5.26."""
    if a == 0:
        return 2**31 - 1
    fraction_bits = 31 - SOFTMAX_INTEGER_BITS
    quarter = 1 << (fraction_bits - 2)
    part = (a & (quarter - 1)) - quarter
    result = _exp_on_interval(max(part << SOFTMAX_INTEGER_BITS, -(2**31)))
    remainder = part - a
    # exp(-2**k) in Q0.31, k = -2 ... 4, one for each set bit of the remainder.
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in enumerate(factors, start=-2):
        if remainder & (1 << (fraction_bits + exponent)):
            result = high_mul(result, factor)
    return result
