"""TFLite's requantisation as three words per channel, for one multiplication and one shift.

With `e` the right shift, TFLite computes `floor((floor(y + 1/2) + 2**(e-1)) / 2**e) + zy` for
`y = acc * multiplier / 2**31 >= 0`. Nested floors with integer offsets are one floor, hence

    saturate((high32(256 * acc * multiplier) + offset) >> shift)

with `shift = e + 7` and `offset = 2**6 + 2**(e+6) + zy * 2**shift`. Halves of negative `y` go
down instead of up: the kernels then take 128, one unit of `y`, off the offset ("sign fix"), unless
the clamp cuts everything below the zero point off anyway. The equality is exact, not approximate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Requantize
from edgemnv2.quantize.fixed_point import multiply_by_quantized_multiplier

__all__ = ["ACCUMULATOR_BITS", "Channels", "channels_of", "reachable"]

Array = NDArray[Any]

SCALE_BITS = 8
"""Accumulators arrive times 2**8."""
ACCUMULATOR_BITS = 31 - SCALE_BITS
"""Unscaled accumulators must stay below 2**23, or the scaled ones overflow."""
_MAX_RIGHT = 15
"""128 << (15 + 7) and a product still fit into 32 bits."""
_MAX_LEFT = 6
"""A shift of 7 - 6 leaves one bit for the rounding constant."""
_INT8 = (-128, 127)


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


def channels_of(
    factor: Requantize,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
) -> Channels | None:
    """The words of every channel, or None where the one-multiplication form does not hold.

    `span` is what `reachable` gives; `zero_point` the output's.
    """
    low, high = span
    if low.min() <= -(1 << ACCUMULATOR_BITS) or high.max() >= 1 << ACCUMULATOR_BITS:
        return None
    multiplier = factor.multiplier.astype(np.int64)
    right = np.broadcast_to(-factor.shift.astype(np.int64), multiplier.shape)
    live = multiplier != 0
    if (live & (right < -_MAX_LEFT)).any() or (multiplier < 0).any():
        return None
    rounds_twice = live & (right >= 1)
    sign_fix = clamp[0] < zero_point and bool(rounds_twice.any())
    shift = np.where(live, right + SCALE_BITS - 1, SCALE_BITS)
    tiny = live & (right > _MAX_RIGHT)
    shift = np.where(tiny, _MAX_RIGHT + SCALE_BITS - 1, shift)
    shrunk = np.where(tiny, multiplier >> np.minimum(np.where(tiny, right - 15, 0), 31), multiplier)
    offset = (np.int64(1) << (shift - 1)) + (np.int64(zero_point) << shift)
    offset = np.where(rounds_twice, offset + (1 << (SCALE_BITS - 2)), offset)
    if sign_fix and (live & ~rounds_twice).any():
        # These channels must not see the fix, the others may need it: try without.
        sign_fix = False
        uncertain = live
    else:
        uncertain = tiny
    words = Channels(shrunk, offset, shift, sign_fix)
    for channel in np.flatnonzero(uncertain):
        if not _proven(words, factor, int(channel), span, zero_point, clamp):
            return None
    return words


def _proven(
    words: Channels,
    factor: Requantize,
    channel: int,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
) -> bool:
    """Make `channel` exact, at first as it is, then with a slightly steeper slope.

    Both sides are monotone step functions of the accumulator: they are equal on `span` when every
    step lies at the same place.
    """
    low, high = int(span[0][channel]), int(span[1][channel])
    bounds = max(_INT8[0], int(clamp[0])), min(_INT8[1], int(clamp[1]))
    multiplier = np.asarray(factor.multiplier[channel], np.int64)
    shift = np.asarray(factor.shift[channel], np.int64)

    def reference(accumulator: Array) -> Array:
        rescaled = multiply_by_quantized_multiplier(accumulator, multiplier, shift)
        clipped: Array = np.clip(rescaled + zero_point, *bounds)
        return clipped

    def kernel(accumulator: Array) -> Array:
        product = (accumulator << SCALE_BITS) * words.multiplier[channel] >> 32
        fix = np.where(accumulator < 0, 128, 0) if words.sign_fix else 0
        result = (product + words.offset[channel] - fix) >> words.shift[channel]
        clipped: Array = np.clip(result, *bounds)
        return clipped

    expected = _steps(reference, low, high, bounds)
    start = words.multiplier[channel]
    for steeper in (0, 1, 2, 3, 4, 6, 8):
        words.multiplier[channel] = start + steeper
        if np.array_equal(_steps(kernel, low, high, bounds), expected):
            return True
    return False


def _steps(function: Any, low: int, high: int, bounds: tuple[int, int]) -> Array:
    """For every output above the least one, the smallest accumulator that reaches it."""
    outputs = np.arange(bounds[0] + 1, bounds[1] + 1)
    first = np.full(outputs.shape, low, np.int64)
    last = np.full(outputs.shape, high + 1, np.int64)
    while (first < last).any():
        middle = (first + last) >> 1
        reached = function(np.minimum(middle, high)) >= outputs
        last = np.where((first < last) & reached, middle, last)
        first = np.where((first < last) & ~reached, np.minimum(middle + 1, last), first)
    return last
