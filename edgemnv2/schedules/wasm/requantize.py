"""From int32 accumulators to int8 rows in WebAssembly, to the bit, by float64.

WebAssembly has no high half of a product, and shifts all lanes alike. But float64 holds every
accumulator and every factor, and what a rounding does to one channel is a staircase of at most 255
steps that count. So a channel is

    t = acc * scale + offset + MAGIC,  two lanes at a time,

whose low word is the nearest whole number; TFLite's halves of negative numbers, which go the other
way, want `t` with some binary places, one number taken off below zero, and a shift. Both the
reference and this never fall as `acc` grows: they are equal everywhere if they are around each
step, and that is tried, for each step of each channel, before a layer gets this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.wasm.isa import NO_SIMD, Isa
from edgemnv2.tir.builder import (
    Builder,
    cast,
    constant,
    intrinsic,
    load,
    reinterpret,
    shuffle,
)

__all__ = ["BLOCK", "Parameters", "WebEpilogue"]

Expr = Any
Array = NDArray[Any]
BLOCK = 4
"""Channels of one vector of sums."""
MAGIC = 1.5 * 2.0**52
"""Added to a float64 of less than 2**31, it leaves the nearest whole number in the low word."""
MOST_PLACES = 24
"""Binary places of `t` at most."""
MOST_BITS = 62
"""Of a shift behind the product that int64 can do."""
AROUND = 2
"""Accumulators that are tried on either side of where a step should be."""


@dataclass(frozen=True)
class Parameters:
    """Loaded constants of a block: scales and offsets of two lanes each, numbers below zero."""

    scales: tuple[Expr, Expr]
    offsets: tuple[Expr, Expr]
    below: Expr = None


@dataclass(frozen=True, eq=False)
class _Channels:
    """float64 `[C]` scale and offset, int64 `[C]` what is taken off below zero, binary places."""

    scale: Array
    offset: Array
    below: Array
    places: int

    def __call__(self, acc: Array) -> Array:
        """What the code makes of `acc` `[..., C]`."""
        total = np.rint(acc.astype(np.float64) * self.scale + self.offset).astype(np.int64)
        return np.asarray((total - self.below * (acc < 0)) >> self.places)

    def holds(self, span: tuple[Array, Array]) -> bool:
        """Whether all of `span` stays within 31 bits."""
        most = np.maximum(np.abs(span[0]), np.abs(span[1])).astype(np.float64) * self.scale
        return bool((most + np.abs(self.offset) + self.below < 2.0**30).all())


@dataclass(frozen=True)
class WebEpilogue:
    """Requantise, add the zero point, clamp, store int8; `signed` where numbers below zero differ.

    `relu`: the clamp begins at or above the zero point.
    """

    zero_point: int
    low: int
    high: int
    relu: bool
    signed: bool
    isa: Isa = NO_SIMD
    channels: _Channels = field(compare=False, kw_only=True)

    @staticmethod
    def for_web(
        isa: Isa,
        requantize: Requantize,
        zero_point: int,
        clamp: tuple[float, float],
        span: tuple[Array, Array],
    ) -> WebEpilogue | None:
        """The exact one, or None; `span`: the least and the greatest sum of every channel."""
        shift = requantize.shift.astype(np.int64)
        left = np.maximum(shift, 0)
        most = np.maximum(np.abs(span[0]), np.abs(span[1])).astype(np.float64)
        # Beyond these the reference wraps.
        if (most * 2.0**left >= 2.0**31).any() or (31 - shift > MOST_BITS).any():
            return None
        low, high = int(clamp[0]), int(clamp[1])
        relu = low >= zero_point
        ends = (low - zero_point, high - zero_point)
        for channels in _candidates(requantize, relu, most):
            if channels.holds(span) and _agrees(channels, requantize, ends, span):
                signed = bool(channels.places)
                return WebEpilogue(zero_point, low, high, relu, signed, isa, channels=channels)
        return None

    @property
    def rows(self) -> int:
        """int32 constants a channel in packed parameters."""
        return 6 if self.signed else 5

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code, but for the target's instructions."""
        return (self.zero_point, self.low, self.high, self.channels.places)

    def pack(self, bias: Array, panels: Sequence[tuple[int, int]]) -> Array:
        """int32 constants by panels and blocks of four: bias, scale, offset, number below zero.

        Scale and offset are float64, two rows each.
        """
        parts = []
        for first, count in panels:
            for c in range(first, first + count, BLOCK):
                block = slice(c, c + BLOCK)
                parts.append(bias[block].astype(np.int32))
                for wide in (self.channels.scale, self.channels.offset):
                    parts.append(np.ascontiguousarray(wide[block]).view(np.int32))
                if self.signed:
                    parts.append(self.channels.below[block].astype(np.int32))
        return np.concatenate(parts)

    def bias(self, packed: Any, at: Expr, block: int) -> Expr:
        """Bias of a block; `at` is where the panel's constants begin."""
        return load(packed, at + block * self.rows * BLOCK, "int32x4")

    def load(self, k: Builder, packed: Any, at: Expr, block: int) -> Parameters:
        """The constants of a block."""
        base = block * self.rows * BLOCK

        def row(number: int) -> Expr:
            return load(packed, at + (base + number * BLOCK), "int32x4")

        wide = [k.let(reinterpret(row(number), "float64x2")) for number in range(1, 5)]
        below = k.let(row(5)) if self.signed else None
        return Parameters((wide[0], wide[1]), (wide[2], wide[3]), below)

    def rescale(self, k: Builder, acc: Expr, p: Parameters) -> Expr:
        """A block of requantised int32, without zero point."""
        words = []
        for half, scale, offset in zip((0, 2), p.scales, p.offsets, strict=True):
            lanes = cast(shuffle([acc], (half, half + 1)), "float64x2")
            total = (lanes * scale + offset) + constant(MAGIC, "float64", 2)
            words.append(reinterpret(k.let(total), "int32x4"))
        t = shuffle(words, (0, 2, 4, 6))
        if not self.signed:
            return t
        below = (acc >> constant(31, "int32", BLOCK)) & p.below
        return (t - below) >> constant(self.channels.places, "int32", BLOCK)

    def store(self, k: Builder, out: Any, at: Expr, values: Sequence[Expr]) -> None:
        """Store an even number of rescaled blocks as int8 channels from `out[at]` on."""
        words = [
            k.let(self._offset(self.isa.words(a, b)))
            for a, b in zip(values[0::2], values[1::2], strict=True)
        ]
        for number in range(0, len(words), 2):
            pair = words[number : number + 2]
            value = self._bytes(pair[0], pair[-1])
            if len(pair) == 1:
                value = shuffle([k.let(value)], range(8))
            k.store(out, at + 8 * number, value)

    @property
    def _unsigned(self) -> bool:
        return self.relu and self.zero_point == -128

    def _offset(self, words: Expr) -> Expr:
        if self._unsigned:
            return words
        zero = constant(self.zero_point, "int16", 8)
        return intrinsic("llvm.sadd.sat.v8i16", "int16x8", words, zero)

    def _bytes(self, lo: Expr, hi: Expr) -> Expr:
        value = self.isa.bytes(lo, hi, unsigned=self._unsigned)
        if self._unsigned:
            # Saturation at 0 is the clamp at the zero point, -128.
            value = value ^ constant(-128, "int8", 16)
        if self.low > -128:
            value = intrinsic("llvm.smax.v16i8", "int8x16", value, constant(self.low, "int8", 16))
        if self.high < 127:
            value = intrinsic("llvm.smin.v16i8", "int8x16", value, constant(self.high, "int8", 16))
        return value


def _candidates(requantize: Requantize, relu: bool, most: Array) -> list[_Channels]:
    """Forms that may be exact, the cheaper one first."""
    shift = requantize.shift.astype(np.int64)
    scale = np.ldexp(requantize.multiplier.astype(np.float64), shift - 31)
    addend = np.zeros_like(scale) if requantize.addend is None else requantize.addend
    offset = np.ldexp(addend.astype(np.float64), shift - 31)
    # Two roundings are one that begins half a step of the first rounding earlier.
    step = np.where(shift < 0, np.ldexp(1.0, shift), 0.0)
    if requantize.rounding != "twice":
        step = np.zeros_like(step)
    # Less than any step of the product: the nearest whole number of a half is the upper one.
    upwards = 0.0 if requantize.rounding == "even" else np.ldexp(1.0, shift - 33)
    nothing = np.zeros(len(scale), np.int64)
    plain = _Channels(scale, offset + step / 2 + upwards, nothing, 0)
    if requantize.rounding == "even" or relu:
        return [plain]
    places = min(MOST_PLACES, 29 - int(np.ceil(np.log2((most * scale).max() + 2))))
    if places < 1:
        return [plain]
    if requantize.rounding == "twice":
        below = np.rint(np.ldexp(step, places)).astype(np.int64)
    else:
        # Only the halves go the other way; all products of such a channel are whole in `t`.
        multiplier = requantize.multiplier.astype(np.int64)
        whole = multiplier % (np.int64(1) << np.clip(31 - shift - places, 0, 31)) == 0
        below = (whole & (multiplier != 0)).astype(np.int64)
    # A floor follows, which wants the half that the nearest whole number brings by itself.
    begin = np.ldexp(offset + step / 2 + 0.5, places) - 0.5 + np.ldexp(upwards, places)
    return [plain, _Channels(np.ldexp(scale, places), begin, below, places)]


def _agrees(
    channels: _Channels, requantize: Requantize, ends: tuple[int, int], span: tuple[Array, Array]
) -> bool:
    """Whether `channels` makes of every sum within `span` what the reference does, in `ends`.

    Tried around every step; in between both are the same number, since neither ever falls.
    """
    low, high = (np.asarray(end, np.int64) for end in span)
    shift = requantize.shift.astype(np.int64) - 31
    steps = np.arange(ends[0] + 1, ends[1] + 1)[:, None]
    real = np.ldexp(requantize.multiplier.astype(np.float64), shift)
    more = np.zeros_like(real) if requantize.addend is None else requantize.addend
    more = np.ldexp(np.asarray(more, np.float64), shift)
    dead = real == 0
    middle = (steps - 0.5 - more) / np.where(dead, 1.0, real)
    begin = np.clip(np.ceil(np.where(dead, 0.0, middle)), low, high).astype(np.int64)
    made, asked = [], []
    for distance in range(-AROUND, AROUND + 1):
        acc = np.clip(begin + distance, low, high)
        asked.append(np.clip(rescaled(acc, requantize), *ends))
        made.append(np.clip(channels(acc), *ends))
        if not np.array_equal(made[-1], asked[-1]):
            return False
    first, last = np.maximum(begin - AROUND, low), np.minimum(begin + AROUND, high)
    before = (asked[0] < steps) | (first == low) | dead
    behind = (asked[-1] >= steps) | (last == high) | dead
    return bool((before & behind).all())
