"""TFLite's requantisation as three words per channel, for one multiplication and one shift.

With `e` the right shift, TFLite computes `floor((floor(y + 1/2) + 2**(e-1)) / 2**e) + zy` for
`y = acc * multiplier / 2**31 >= 0`. Nested floors with integer offsets are one floor, hence, for
accumulators scaled by `2**J`,

    saturate((high32(2**J * acc * multiplier) + offset) >> shift)

with `shift = e + J - 1` and `offset = 2**(J-2) + 2**(e+J-2) + zy * 2**shift`. Halves of negative
`y` go down instead of up: the kernels then take `2**(J-1)`, one unit of `y`, off the offset ("sign
fix"), unless the clamp cuts everything below the zero point off anyway. The equality is exact.

Where it does not apply (factors that round once, mixed layers, tiny factors), a slightly steeper
slope may still put every step of the output at the right accumulator: that is tried, and proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Requantize
from edgemnv2.quantize.fixed_point import multiply_by_quantized_multiplier

__all__ = ["SCALE_BITS", "Channels", "channels_of", "reachable", "scale_bits_for"]

Array = NDArray[Any]

SCALE_BITS = 8
"""What the tiles of pixels and the depthwise kernels scale accumulators by, as a power of two."""
_MIN_SCALE_BITS = 2
_OFFSET_BITS = 22
"""Largest shift: 128 << 22 and a product still fit into 32 bits."""
_INT8 = (-128, 127)
_STEEPER = (0, 1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True, eq=False)
class Channels:
    """`multiplier`, `offset`, `shift` int32 `[C]`; `sign_fix` says which kernel reads them."""

    multiplier: Array
    offset: Array
    shift: Array
    sign_fix: bool

    def words(self) -> Array:
        """`[C, 3]` int32, as they lie in a stream."""
        return np.stack([self.multiplier, self.offset, self.shift], axis=1).astype(np.int32)


def reachable(weight: Array, bias: Array, zero_point: int) -> tuple[Array, Array]:
    """Least and greatest accumulator of every channel, any int8 input; int64 `[C]` each.

    `weight` `[..., C]`; the input's `zero_point` is not yet folded into `bias`.
    """
    wide = weight.astype(np.int64).reshape(-1, weight.shape[-1])
    positive, negative = np.maximum(wide, 0).sum(axis=0), np.minimum(wide, 0).sum(axis=0)
    low, high = _INT8[0] - zero_point, _INT8[1] - zero_point
    base = np.asarray(bias, np.int64)
    return (
        base + low * positive + high * negative,
        base + high * positive + low * negative,
    )


def scale_bits_for(span: tuple[Array, Array]) -> int:
    """The largest scale up to `SCALE_BITS` under which no accumulator overflows 32 bits."""
    largest = max(int(-span[0].min()), int(span[1].max()) + 1, 1)
    return min(SCALE_BITS, 31 - (largest - 1).bit_length())


def channels_of(
    factor: Requantize,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
    scale_bits: int = SCALE_BITS,
) -> Channels | None:
    """The words of every channel, or None where the one-multiplication form does not hold.

    `span` is what `reachable` gives; `zero_point` the output's.
    """
    if not _MIN_SCALE_BITS <= scale_bits <= scale_bits_for(span):
        return None
    multiplier = factor.multiplier.astype(np.int64)
    right = -np.broadcast_to(factor.shift, multiplier.shape).astype(np.int64)
    live = multiplier != 0
    if (live & (right < 2 - scale_bits)).any() or (multiplier < 0).any():
        return None
    twice = live & (right >= 1) & (not factor.single_rounding)
    once = live & ~twice
    sign_fix = clamp[0] < zero_point and bool(twice.any())
    # A dead channel's product is 0 and must survive the sign fix; this shift lets it.
    shift = np.where(live, right + scale_bits - 1, scale_bits)
    excess = np.maximum(shift - _OFFSET_BITS, 0)
    shift = shift - excess
    offset = (np.int64(1) << (shift - 1)) + (np.int64(zero_point) << shift)
    offset = np.where(twice, offset + (1 << (scale_bits - 2)), offset)
    uncertain = live & (excess > 0)
    if factor.single_rounding and clamp[0] < zero_point:
        uncertain |= live
    if sign_fix and once.any():
        # These channels must not see the fix; the others may do without.
        sign_fix = False
        uncertain |= live
    words = Channels(multiplier >> np.minimum(excess, 31), offset, shift, sign_fix)
    return _proven(words, factor, uncertain, span, zero_point, clamp, scale_bits)


def _proven(
    words: Channels,
    factor: Requantize,
    uncertain: Array,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
    scale_bits: int,
) -> Channels | None:
    """`words` with the `uncertain` channels made exact by steeper slopes; None if one is not.

    Both sides are monotone step functions of the accumulator: they are equal on `span` when every
    step lies at the same place.
    """
    left = np.flatnonzero(uncertain)
    if not left.size:
        return words
    bounds = max(_INT8[0], int(clamp[0])), min(_INT8[1], int(clamp[1]))
    multiplier = words.multiplier.copy()

    def reference(accumulator: Array) -> Array:
        m = factor.multiplier[left, None].astype(np.int64)
        s = np.broadcast_to(factor.shift, factor.multiplier.shape)[left, None].astype(np.int64)
        rescaled = _round_once if factor.single_rounding else multiply_by_quantized_multiplier
        clipped: Array = np.clip(rescaled(accumulator, m, s) + zero_point, *bounds)
        return clipped

    def kernel(accumulator: Array) -> Array:
        product = (accumulator << scale_bits) * multiplier[left, None] >> 32
        fix = np.where(accumulator < 0, 1 << (scale_bits - 1), 0) if words.sign_fix else 0
        result = (product + words.offset[left, None] - fix) >> words.shift[left, None]
        clipped: Array = np.clip(result, *bounds)
        return clipped

    for steeper in _STEEPER:
        multiplier[left] = words.multiplier[left] + steeper
        expected = _steps(reference, span[0][left], span[1][left], bounds)
        wrong = (_steps(kernel, span[0][left], span[1][left], bounds) != expected).any(axis=1)
        left = left[wrong]
        if not left.size:
            return Channels(multiplier, words.offset, words.shift, words.sign_fix)
    return None


def _round_once(accumulator: Array, multiplier: Array, shift: Array) -> Array:
    """The product rounded once, halves away from zero, by `31 - shift` bits."""
    right = 31 - shift
    product = accumulator * multiplier
    rounded: Array = (product + (np.int64(1) << (right - 1)) - (product < 0)) >> right
    return rounded


def _steps(
    function: Callable[[Array], Array], low: Array, high: Array, bounds: tuple[int, int]
) -> Array:
    """`[C, outputs]`: for every output but the least, the smallest accumulator that reaches it."""
    outputs = np.arange(bounds[0] + 1, bounds[1] + 1)[None, :]
    last = np.broadcast_to(high[:, None] + 1, (low.size, outputs.size)).copy()
    first = np.broadcast_to(low[:, None], last.shape).copy()
    while (first < last).any():
        middle = (first + last) >> 1
        reached = function(np.minimum(middle, high[:, None])) >= outputs
        searching = first < last
        last = np.where(searching & reached, middle, last)
        first = np.where(searching & ~reached, np.minimum(middle + 1, last), first)
    return last
