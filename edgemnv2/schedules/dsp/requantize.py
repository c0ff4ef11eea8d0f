"""Requantisation as three words per channel, for one multiplication and one shift.

With `e` the right shift, TFLite computes `floor((floor(y + 1/2) + 2**(e-1)) / 2**e) + zy` for
`y = acc * multiplier / 2**31 >= 0`. Nested floors with integer offsets are one floor, hence, for
accumulators scaled by `2**J`,

    saturate((high32(2**J * acc * multiplier) + offset) >> shift)

with `shift = e + J - 1` and `offset = 2**(J-2) + 2**(e+J-2) + zy * 2**shift`. Halves of negative
`y` go down instead of up: the kernels then take `2**(J-1)`, one unit of `y`, off the offset ("sign
fix"), unless the clamp cuts everything below the zero point off anyway. The equality is exact.

ONNX's one rounding lacks the first of the two halves, and needs no sign fix. A bias finer than one
step of the sum is a whole number of accumulators scaled by `2**8`. Where sums meet halves, kernels
of their own (`cortex_m_even.h`) take one off the scaled sum if its half has to go down: nothing but
a half notices that.

Where it does not apply (factors that round once, mixed layers, tiny factors), a slightly steeper
slope may still put every step of the output at the right accumulator: that is tried, and proven.

Trained networks have channels of nearly dead weights under a large bias. Their accumulators are
large and their outputs (almost) constant: the bias moves into the offset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier, round_half_even
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.halves import Halves, fractions_of, halves_of

__all__ = [
    "COMMON_SHIFT",
    "SCALE_BITS",
    "Channels",
    "channels_of",
    "common_shift",
    "reachable",
    "room_bits",
]

Array = NDArray[Any]

SCALE_BITS = 8
"""What the tiles of pixels and the depthwise kernels scale accumulators by, as a power of two."""
COMMON_SHIFT = 12
"""The shift that kernels named COMMON have in their instructions."""
_LEAST_BITS = 2
"""Below, the half of the first rounding is no whole number."""
_OFFSET_BITS = 22
"""Largest shift: 128 << 22 and a product still fit into 32 bits."""
PLACE_AT, FLIP_AT, MEETS_AT, LARGEST_PLACE = 5, 10, 11, 31
"""Bits of a word of shifts in `cortex_m_even.h`, and the largest bit of a sum."""
_INT8 = (-128, 127)
_INT32 = (-(1 << 31), (1 << 31) - 1)
_CANDIDATES = 1 << 16
_STEEPER = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True, eq=False)
class Channels:
    """`multiplier`, `offset`, `shift` int32 `[C]`; `sign_fix` says which kernel reads them."""

    multiplier: Array
    offset: Array
    shift: Array
    sign_fix: bool
    constant: Array
    """Channels whose output does not depend on the input: their weights and bias count as 0."""
    bias_in_offset: Array
    """What the bias must be reduced by, int64."""
    fractions: Array
    """What the bias has below one step of the sum, in parts of `2**-SCALE_BITS`; int64 `[C]`."""

    halves: Array | None = None
    """Where to find the parity of a half's lower neighbour, to add to the shifts; int64 `[C]`."""

    @property
    def has_fractions(self) -> bool:
        """Whether any bias is finer than a step of the sum."""
        return bool(self.fractions.any())

    def reduced(self, weight: Array, bias: Array) -> tuple[Array, Array]:
        """`weight` `[..., C]` and `bias` (int64) as the kernel must have them."""
        return (
            np.where(self.constant, weight.dtype.type(0), weight),
            np.where(self.constant, 0, np.asarray(bias, np.int64) - self.bias_in_offset),
        )

    def words(self) -> Array:
        """`[C, 3]` int32, as they lie in a stream."""
        return np.stack([self.multiplier, self.offset, self.shift_words()], axis=1).astype(np.int32)

    def shift_words(self) -> Array:
        """The shifts, with what `halves` adds."""
        return self.shift if self.halves is None else self.shift + self.halves


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


def room_bits(weight: Array) -> int:
    """The scale under which weights fit into int16, as a power of two, at most `SCALE_BITS`."""
    low, high = int(weight.min()), int(weight.max())
    return min(SCALE_BITS, 15 - max(high, -low - 1).bit_length())


def channels_of(
    factor: Requantize,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
    scale_bits: int | Array = SCALE_BITS,
    *,
    halves: bool = False,
) -> Channels | None:
    """The words of every channel, or None where the one-multiplication form does not hold.

    `scale_bits`: what the accumulators are scaled by, of all channels or of each (int64 `[C]`, for
    `common_shift`).

    `halves`: whether the caller has kernels for sums that meet halves.
    `span` is what `reachable` gives; `zero_point` the output's.
    """
    low, high = span
    limit = 1 << (31 - scale_bits)
    if low.min() < _INT32[0] or high.max() > _INT32[1]:
        return None
    even = factor.rounding == "even"
    fractions = fractions_of(factor)
    if fractions is None or (fractions.any() and np.any(scale_bits != SCALE_BITS)):
        return None
    met = halves_of(factor, span)
    parities = None
    if met is not None:
        if halves and isinstance(scale_bits, int):
            parities = _parities(factor, met, scale_bits)
        if parities is None or fractions.any():
            return None
    multiplier = factor.multiplier.astype(np.int64)
    right = -np.broadcast_to(factor.shift, multiplier.shape).astype(np.int64)
    if (multiplier < 0).any():
        return None
    # Left shifts wrap where the sums are too large for them.
    wraps = np.maximum(-low, high) << np.clip(-right, 0, 31) >= 1 << 31
    wraps &= not even
    outputs = [_reference(factor, slice(None), zero_point, clamp)(x[:, None]) for x in span]
    constant = (multiplier == 0) | ((outputs[0] == outputs[1])[:, 0] & ~wraps)
    live = ~constant
    if (live & ((right < 2 - scale_bits) | wraps)).any():
        return None
    twice = live & (right >= 1) & (factor.rounding == "twice")
    once = live & ~twice
    sign_fix = clamp[0] < zero_point and bool(twice.any())
    fractions = np.where(constant, 0, fractions)
    shift = np.where(live, right + scale_bits - 1, scale_bits)
    excess = np.maximum(shift - _OFFSET_BITS, 0)
    shift = shift - excess
    multiplier = np.where(live, multiplier >> np.minimum(excess, 31), 0)
    moved = live & ((low <= -limit) | (high >= limit))
    if (moved & (high - low >= limit)).any():
        return None
    # A constant channel's product is 0; half a step keeps it in place under the sign fix, too.
    offset = (np.int64(1) << (shift - 1)) + (np.where(live, zero_point, outputs[0][:, 0]) << shift)
    offset = np.where(twice, offset + ((1 << (scale_bits - 2)) >> np.minimum(excess, 31)), offset)
    if abs(offset).max() > 1 << 30:
        return None
    zero = np.zeros_like(low)
    if moved.any():
        # Count from where the output makes its first step: there is one, and it must be exact.
        reference = _reference(factor, moved, zero_point, clamp)
        steps = _steps(reference, low[moved], high[moved], _bounds(clamp))
        first = (steps > low[moved][:, None]).argmax(axis=1)
        zero[moved] = np.take_along_axis(steps, first[:, None], axis=1)[:, 0]
        offset[moved] = (_bounds(clamp)[0] + 1 + first) << shift[moved]
    uncertain = live & (moved | (excess > 0))
    if parities is not None and (uncertain & (parities != 0)).any():
        return None
    if factor.single_rounding and clamp[0] < zero_point:
        uncertain |= live
    unfixed = once & ~moved
    if sign_fix and unfixed.any():
        # These channels round once, the sign fix is wrong for them: count from below the least sum.
        if (unfixed & (high - low >= limit - _CANDIDATES)).any():
            return None
        for channel in np.flatnonzero(unfixed):
            # All counts lose a fraction of a unit in the offset; one of many loses next to nothing.
            counts = low[channel] - np.arange(_CANDIDATES)
            products = counts * multiplier[channel] << scale_bits
            zero[channel] = counts[(products & 0xFFFFFFFF).argmin()]
        offset = offset + np.where(unfixed, zero * multiplier >> (32 - scale_bits), 0)
        if abs(offset).max() > 1 << 30:
            return None
        uncertain |= unfixed
    if parities is not None:
        parities = np.where(constant, 0, parities)
    words = Channels(multiplier, offset, shift, sign_fix, constant, zero, fractions, parities)
    return _proven(words, factor, uncertain, span, zero_point, clamp, scale_bits)


def common_shift(
    factor: Requantize,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
    largest_bits: int,
) -> tuple[Channels, Array] | None:
    """The words under scales of each channel's own, chosen so that all shift by `COMMON_SHIFT`.

    Then shift and saturation are one instruction. The second result is those scales as powers of
    two, int64 `[C]`, at most `largest_bits` (what the weights leave room for). None where a channel
    would need another scale, or more than the multiplication and the shift.
    """
    words = channels_of(factor, span, zero_point, clamp)
    if words is None or words.sign_fix or words.has_fractions or words.bias_in_offset.any():
        return None
    right = -np.broadcast_to(factor.shift, words.shift.shape).astype(np.int64)
    bits = np.where(words.constant, COMMON_SHIFT, COMMON_SHIFT + 1 - right)
    live = bits[~words.constant]
    if (live < _LEAST_BITS).any() or (live > largest_bits).any():
        return None
    found = channels_of(factor, span, zero_point, clamp, bits)
    if found is None or found.bias_in_offset.any() or (found.shift != COMMON_SHIFT).any():
        return None
    return found, bits


def _parities(factor: Requantize, met: Halves, scale_bits: int) -> Array | None:
    """`Channels.halves`, or None where taking one off a scaled sum would move more than halves.

    A factor `q / 2**k` with odd q meets halves at `acc = 2**(k - 1) (2 j + 1)`, and the number
    below such a half is `j q + (q - 1) / 2`: even or odd as `(acc >> k) + (q - 1) / 2`.
    """
    wide = factor.multiplier.astype(np.int64)
    odd = wide // np.maximum(wide & -wide, 1)
    some = met.mask != 0
    if factor.addend is not None or (odd[some] > 1 << scale_bits).any():
        return None
    places = scale_bits + np.log2(met.mask[some].astype(np.int64) + 1).astype(np.int64)
    if places.max() > LARGEST_PLACE:
        return None
    found = np.zeros(wide.shape, np.int64)
    flip = 1 - (odd[some] >> 1 & 1)
    found[some] = places << PLACE_AT | flip << FLIP_AT | 1 << MEETS_AT
    return found


def _reference(
    factor: Requantize, channels: Any, zero_point: int, clamp: tuple[float, float]
) -> Callable[[Array], Array]:
    """The output of some channels for accumulators `[C, n]`, by definition."""
    bounds = _bounds(clamp)
    m = factor.multiplier[channels, None].astype(np.int64)
    s = np.broadcast_to(factor.shift, factor.multiplier.shape)[channels, None].astype(np.int64)
    a = 0 if factor.addend is None else factor.addend[channels, None]

    def rescaled(x: Array, m: Array, s: Array) -> Array:
        if factor.rounding == "even":
            return round_half_even(x * m + a, 31 - s)
        return (_round_once if factor.single_rounding else multiply_by_quantized_multiplier)(
            x, m, s
        )

    def function(accumulator: Array) -> Array:
        clipped: Array = np.clip(rescaled(accumulator, m, s) + zero_point, *bounds)
        return clipped

    return function


def _bounds(clamp: tuple[float, float]) -> tuple[int, int]:
    return max(_INT8[0], int(clamp[0])), min(_INT8[1], int(clamp[1]))


def _proven(
    words: Channels,
    factor: Requantize,
    uncertain: Array,
    span: tuple[Array, Array],
    zero_point: int,
    clamp: tuple[float, float],
    scale_bits: int | Array,
) -> Channels | None:
    """`words` with the `uncertain` channels made exact by steeper slopes; None if one is not.

    Both sides are monotone step functions of the accumulator: they are equal on `span` when every
    step lies at the same place.
    """
    left = np.flatnonzero(uncertain)
    if not left.size:
        return words
    bounds = _bounds(clamp)
    multiplier = words.multiplier.copy()
    bits = np.broadcast_to(scale_bits, multiplier.shape)

    def kernel(accumulator: Array) -> Array:
        scaled = (accumulator - words.bias_in_offset[left, None]) << bits[left, None]
        scaled = scaled + words.fractions[left, None]
        fix = np.where(scaled < 0, 1 << (bits[left, None] - 1), 0) if words.sign_fix else 0
        high = scaled * multiplier[left, None] >> 32
        clipped: Array = np.clip(
            (high + words.offset[left, None] - fix) >> words.shift[left, None], *bounds
        )
        return clipped

    for steeper in _STEEPER:
        multiplier[left] = words.multiplier[left] + steeper
        reference = _reference(factor, left, zero_point, clamp)
        expected = _steps(reference, span[0][left], span[1][left], bounds)
        wrong = (_steps(kernel, span[0][left], span[1][left], bounds) != expected).any(axis=1)
        left = left[wrong]
        if not left.size:
            return replace(words, multiplier=multiplier)
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
