"""The constants of ONNX's quantised layers: real numbers, one rounding, halves to even.

DequantizeLinear, the float operator and QuantizeLinear make `rint(real / scale) + zero point`. Here
`real / scale` is a fixed-point product with 31 bits of factor, which differs from float32's own
errors less than those do among each other. Factors that are exact (scales that are powers of two)
stay so, and their halves go to even; any other multiplier is odd, so that no sum meets a half.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    make_requantize,
    quantize_multiplier,
    rescaled,
    round_half_even,
)
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams

__all__ = [
    "FRACTION_BITS",
    "LARGEST_RATIO",
    "add_rescale",
    "clamp_limits",
    "comparison_rescale",
    "convolution_requantize",
    "mean_requantize",
    "product_requantize",
    "quotient_bits",
    "requantize_of",
    "rescale_requantize",
    "short_factor",
    "softmax_constants",
    "with_real_bias",
]

Array = NDArray[Any]
FRACTION_BITS = 8
"""Of a bias, below one step of the sum."""
FINEST_BITS = 30
LARGEST_RATIO = 1 << 24
"""Of an operand's scale to the output's: far beyond what saturates every output but one."""
SATURATING = 1 << 10
"""A factor at which one step of an operand is more than all steps of an 8-bit output."""
INT32_MAX = 2**31 - 1
ADDEND_BITS = 60
"""An addend stays below this power of two, so that 64 bits hold it beside any product."""
LEAST_SHIFT = -31
"""Of a factor: half of it moves no sum of 32 bits."""
INVERSE_BITS = 24
"""Of one over the scale of a softmax's output."""
CONSTANT_SHIFT = 8
"""The factor of a channel that is constant, as a power of two to the right."""
MOST_SUM_BITS = 20
"""Sums of a mean that are tried one by one, as a power of two."""
MOST_NUDGE = 6
"""Changes of a rounded factor that are tried for a sum in int32."""
OPERANDS = np.arange(256, dtype=np.int64)
FLOAT32_ERRORS = 2.0**-27, 2.0**-25, 2.0**-23
"""Of a sum of two products, relative to their magnitudes: where float32 cannot tell a sum from a
half, either neighbour will do. The least that does."""
SNAP_BITS = 12
"""Ratios of scales that float32 cannot tell from a number with so many bits behind the point are
taken for that: 0.3 / 0.2 gives halves in float32, too."""
LARGEST_ZERO_POINT = 128
"""Of an inner tensor, which is int8."""
FURTHEST = 256
"""Steps from a zero point to beyond any 8-bit output."""


def requantize_of(reals: list[Fraction]) -> Requantize:
    """The factors of exact ratios, one per channel."""
    pairs = [_multiplier_of(real) for real in reals]
    return Requantize(
        np.array([m for m, _ in pairs], np.int32),
        np.array([s for _, s in pairs], np.int32),
        "even",
    )


def _multiplier_of(real: Fraction) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(float(real))
    if multiplier and Fraction(multiplier) * Fraction(2) ** (shift - 31) != real:
        multiplier |= 1
    return multiplier, shift


def convolution_requantize(
    x: QuantParams, weight_scale: Array, y: QuantParams, channels: int
) -> Requantize:
    """Factor per output channel, `sx * sw / sy`."""
    scales = np.broadcast_to(weight_scale.astype(np.float32).reshape(-1), (channels,))
    outer = _exact(x.scale) / _exact(y.scale)
    return requantize_of([outer * _exact(scale) for scale in scales])


def comparison_rescale(
    a: QuantParams, b: QuantParams, largest: int
) -> tuple[int, tuple[Requantize, Requantize]]:
    """The left shift and the factors of a comparison's two operands, of `largest` steps at most.

    Both in steps of the coarser scale, as finely as 30 bits hold them; of one scale exactly.
    """
    coarser = max(_exact(a.scale), _exact(b.scale))
    factors = [make_requantize([float(_exact(x.scale) / (2 * coarser))]) for x in (a, b)]
    return 30 - largest.bit_length(), (factors[0], factors[1])


def rescale_requantize(x: QuantParams, y: QuantParams) -> Requantize:
    """The factor from one quantisation to another."""
    return requantize_of([_exact(x.scale) / _exact(y.scale)])


def _exact(scale: Any) -> Fraction:
    return Fraction(float(np.float32(scale)))


def with_real_bias(
    factor: Requantize,
    bias: Array,
    step: Array,
    y: QuantParams,
    weight: Array,
    largest_input: int,
) -> tuple[Array, Array, Requantize]:
    """`(bias, weight, factor)` of a layer whose `bias` (float64 `[C]`) is given in real numbers.

    `step` is what one unit of a channel's sum stands for, `largest_input` bounds the magnitude of
    inputs, their zero point taken off; `weight` `[..., C]`. The whole steps of the bias are int32,
    the rest of it, to `FRACTION_BITS`, is in the factor's addend; to `FINEST_BITS` where a step is
    more than one of the output. A bias that does not fit there
    with the sum is all addend; if the channel's output never changes, it is a constant then.
    """
    bound = np.abs(weight.astype(np.int64)).reshape(-1, weight.shape[-1]).sum(axis=0)
    bound = bound * largest_input
    multiplier, shift = factor.multiplier.astype(np.int64), factor.shift.astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(bias == 0, 0.0, bias / step)
    fits = np.isfinite(steps) & (np.abs(steps) + bound < INT32_MAX - 1)
    fits &= (multiplier != 0) | (bias == 0)
    bits = np.where(np.asarray(step) > y.scale, FINEST_BITS, FRACTION_BITS)
    fine = np.rint(np.ldexp(np.where(fits, steps, 0.0), bits)).astype(np.int64)
    stored = fine >> bits
    rest = fine - (stored << bits)
    addend = (rest * multiplier) >> bits
    weight = weight.copy()
    for channel in np.flatnonzero(~fits):
        outputs = float(bias[channel]) / y.scale
        m, s, a = _in_addend(outputs, float(step[channel]) / y.scale)
        # Not a tuple times a number, which NumPy's integers repeat.
        ends = rescaled(np.array([-1, 1]) * bound[channel], _one(m, s, a))
        if ends[0] == ends[1]:
            # Constant: a sum of nothing, so that any kernel computes it.
            weight[..., channel] = 0
            limited = min(max(int(ends[0]), -(1 << 16)), 1 << 16)
            stored[channel], a = limited << CONSTANT_SHIFT, 0
            m, s = 1 << 30, 1 - CONSTANT_SHIFT
        multiplier[channel], shift[channel], addend[channel] = m, s, a
    changed = replace(
        factor,
        multiplier=multiplier.astype(np.int32),
        shift=shift.astype(np.int32),
        addend=addend if addend.any() else None,
    )
    return stored.astype(np.int32), weight, changed


def _one(multiplier: int, shift: int, addend: int) -> Requantize:
    values = (np.array([multiplier]), np.array([shift]))
    return Requantize(*values, "even", np.array([addend]))


def _in_addend(outputs: float, real: float) -> tuple[int, int, int]:
    """Multiplier, shift and addend of a channel whose whole bias, `outputs`, is in the addend."""
    outputs = min(max(outputs, -(2.0**58)), 2.0**58)
    multiplier, shift = quantize_multiplier(real)
    # Below the least shift there is nothing left of either.
    least = max(math.frexp(outputs)[1] + 31 - ADDEND_BITS, LEAST_SHIFT)
    shift = max(shift if multiplier else least, least)
    multiplier = round(math.ldexp(real, 31 - shift))
    return multiplier, shift, round(math.ldexp(outputs, 31 - shift))


def add_rescale(
    a: QuantParams,
    b: QuantParams,
    y: QuantParams,
    dtypes: tuple[str, str],
    *,
    subtract: bool = False,
) -> tuple[Requantize, Requantize]:
    """The factors of a sum's two operands: both products are added, then rounded once.

    Equal shifts; if possible such that the products and their sum fit into int32 and every pair of
    operands of the `dtypes` still rounds as real numbers do.
    """
    exact = [_snapped(_exact(x.scale) / _exact(y.scale)) for x in (a, b)]
    # What saturates the output whatever the other operand is does so with a smaller factor, too,
    # which leaves the other's its bits.
    exact = [
        min(real, SATURATING * max(Fraction(1), other))
        for real, other in zip(exact, reversed(exact), strict=True)
    ]
    operands = [
        OPERANDS + int(np.iinfo(dtype).min) - x.zero_point
        for dtype, x in zip(dtypes, (a, b), strict=True)
    ]
    if subtract:
        operands[1] = -operands[1]
    chosen = _short_sum(exact, operands)
    if chosen is None:
        shift = max(quantize_multiplier(float(real))[1] for real in exact)
        pair = [min(round(real * Fraction(2) ** (31 - shift)), INT32_MAX) for real in exact]
        chosen = pair[0], pair[1], shift, 0
    first, second, shift, addend = chosen
    shifts = np.array([shift], np.int32)
    extra = np.array([addend], np.int64) if addend else None
    return (
        Requantize(np.array([first], np.int32), shifts, "even", extra),
        Requantize(np.array([second], np.int32), shifts, "even"),
    )


def _snapped(ratio: Fraction) -> Fraction:
    near = Fraction(round(ratio * 2**SNAP_BITS), 2**SNAP_BITS)
    return near if abs(near - ratio) <= ratio * Fraction(FLOAT32_ERRORS[-1]) else ratio


def _short_sum(exact: list[Fraction], operands: list[Array]) -> tuple[int, int, int, int] | None:
    """`(first, second, shift, addend)` in int32, or None where some pair rounds otherwise.

    Factors of some 20 bits are a little off; few pairs of operands come so near to a half that it
    shows, and other factors or an addend, a few units off, are right for those, too.
    """
    reals = [float(real) for real in exact]
    # No product or sum of them leaves int32, the output's zero point and a half included.
    largest = sum(real * float(np.abs(x).max()) for real, x in zip(reals, operands, strict=True))
    bits = 31 - math.frexp(largest + LARGEST_ZERO_POINT + 2)[1]
    if not 1 <= bits <= 30:
        return None
    pairs = operands[0][:, None] * reals[0] + operands[1][None, :] * reals[1]
    wanted = _outputs(np.rint(pairs))
    scaled = [round(real * 2**bits) for real in exact]
    # Only pairs near a half can come out otherwise.
    distance = np.abs(pairs - np.floor(pairs) - 0.5)
    magnitude = np.abs(operands[0][:, None] * reals[0]) + np.abs(operands[1][None, :] * reals[1])
    reach = (MOST_NUDGE + 1) * 2 * FURTHEST * 2.0**-bits
    for error in FLOAT32_ERRORS:
        settled = (distance > magnitude * error) | (distance == 0)
        near = settled & (distance < reach) & (np.abs(pairs) <= FURTHEST)
        found = _nudged(scaled, operands, wanted, (pairs, near, settled), bits)
        if found is not None:
            return found[0], found[1], 31 - bits, found[2]
    return None


def _nudged(
    scaled: list[int],
    operands: list[Array],
    wanted: Array,
    which: tuple[Array, Array, Array],
    bits: int,
) -> tuple[int, int, int] | None:
    """Factors near `scaled`, and an addend, with which all settled pairs come out as `wanted`."""
    pairs, near, settled = which
    rows, columns = np.nonzero(near)
    a, b = operands[0][rows], operands[1][columns]
    targets = np.rint(pairs[near]).astype(np.int64) << bits
    half = 1 << (bits - 1)
    nudges = product(range(-MOST_NUDGE, MOST_NUDGE + 1), repeat=2)
    for one, two in sorted(nudges, key=lambda n: abs(n[0]) + abs(n[1])):
        first, second = scaled[0] + one, scaled[1] + two
        sums = a * first + b * second
        # Each sum must lie within half a step of its target.
        least = int((targets - half - sums).max(initial=-half))
        most = int((targets + half - sums).min(initial=half))
        addend = min(max(0, least), most)
        if addend in (least, most) and addend and most - least >= 2:
            addend = (least + most) // 2
        if least > most or min(first, second) < 0:
            continue
        total = operands[0][:, None] * first + operands[1][None, :] * second + addend
        if (_outputs(round_half_even(total, bits)) == wanted)[settled].all():
            return first, second, addend
    return None


def _outputs(values: Array) -> Array:
    """Beyond an output's range nothing differs any more."""
    return np.asarray(np.clip(values, -FURTHEST, FURTHEST), np.int16)


def product_requantize(a: QuantParams, b: QuantParams, y: QuantParams) -> Requantize:
    """The factor of a product of two quantised values."""
    return requantize_of([_exact(a.scale) * _exact(b.scale) / _exact(y.scale)])


def mean_requantize(x: QuantParams, y: QuantParams, count: int) -> Requantize:
    """The factor of a mean of `count` values, `sx / (sy * count)`, for their sum."""
    return requantize_of([_exact(x.scale) / _exact(y.scale) / count])


def clamp_limits(clamp: tuple[float, float], y: QuantParams, dtype: str) -> tuple[float, float]:
    """Real clamp limits as QuantizeLinear stores them in `dtype`."""
    limits = np.iinfo(dtype)

    def stored(real: float) -> float:
        if math.isinf(real):
            return float(limits.min if real < 0 else limits.max)
        ratio = float(np.float32(real) / np.float32(y.scale))
        return float(min(max(float(np.rint(ratio)) + y.zero_point, limits.min), limits.max))

    return stored(clamp[0]), stored(clamp[1])


def softmax_constants(
    x: QuantParams, y: QuantParams, channels: int, beta: float = 1.0
) -> tuple[Array, tuple[int, int]]:
    """Table and `inverse` of an ONNX softmax; see `ops.softmax.layer`.

    `exp(-d * scale)` of the 256 distances d, in as many bits as leave room for the sum of all
    `channels` beside the inverse of the output's scale.
    """
    room = 62 - INVERSE_BITS - 2 - (channels - 1).bit_length()
    unit = 2.0 ** min(room, 30)
    table = [round(math.exp(-distance * x.scale * beta) * unit) for distance in range(256)]
    bits = min(max(0, INVERSE_BITS - math.frexp(1.0 / y.scale)[1]), INVERSE_BITS)
    return np.array(table, np.int32), (round(2.0**bits / y.scale), bits)


def quotient_bits(inverse: tuple[int, int]) -> int:
    """Bits of a softmax's stored steps from its zero point; 9 hold what is beyond the last."""
    number, bits = inverse
    return min(9, ((number >> bits) + 1).bit_length())


def short_factor(factor: Requantize, lowest: int, highest: int) -> tuple[int, int, int] | None:
    """`(multiplier, addend, bits)` in int32 for one factor's sums `lowest .. highest`, or None.

    `(sum * multiplier + addend) >> bits` is then what the factor gives: proven by trying all sums.
    None where halves occur, or no such numbers are found.
    """
    if highest - lowest >= 1 << MOST_SUM_BITS:
        return None
    sums = np.arange(lowest, highest + 1, dtype=np.int64)
    wanted = _outputs(rescaled(sums, factor))
    real = float(factor.multiplier[0]) * 2.0 ** (int(factor.shift[0]) - 31)
    largest = max(-lowest, highest) * real + LARGEST_ZERO_POINT + 2
    bits = 31 - math.frexp(largest)[1]
    if not 1 <= bits <= 30:
        return None
    for nudge in sorted(range(-MOST_NUDGE, MOST_NUDGE + 1), key=abs):
        multiplier = round(real * 2**bits) + nudge
        products = sums * multiplier
        inside = np.abs(wanted) < FURTHEST
        low = (wanted.astype(np.int64) << bits) - products
        # Between what the first of each output's sums needs, and what the last of it bears.
        addend = (int(low[inside].max()) + int(low[inside].min()) + (1 << bits) - 1) // 2
        if np.array_equal(_outputs((products + addend) >> bits), wanted):
            return multiplier, addend, bits
    return None
