"""From int32 accumulators to int8 rows in WebAssembly, to the bit, by float64.

WebAssembly has no high half of a product, and shifts all lanes alike. But float64 holds every
accumulator and every factor, and what a rounding does to one channel is a staircase of at most 255
steps that count. So a channel, its zero point and half a step included, is

    t = acc * scale + offset,  two lanes at a time,

with so large a number in the offset that the upper word of `t` is the whole number below and 32
binary places are the lower word. Where that is not exact (halves that go to even) the large number
is added last, and the lower word of `t` is the nearest whole number. TFLite's halves of negative
numbers, which go the other way, want that `t` with some binary places, one number taken off below
zero, and a shift. Both the reference and this never fall as `acc` grows: they are equal everywhere
if they are around each step, and that is tried, for each step of each channel, before a layer gets
this form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
HIGH = 1.5 * 2.0**20
"""Added to a float64 of less than 2**19, it leaves the whole number below in the upper word."""
HIGH_WORD = 0x41380000
"""The upper word of `HIGH`, by which that number is too large."""
MOST_PLACES = 24
"""Binary places of `t` at most."""
SHARED_PLACES = 16
"""Of those that have as many, if they do."""
MOST_BITS = 62
"""Of a shift behind the product that int64 can do."""
AROUND = 2
"""Accumulators that are tried on either side of where a step should be."""


@dataclass(frozen=True)
class Parameters:
    """Loaded constants of a block: scales and offsets of two lanes each, the head or numbers below
    zero."""

    scales: tuple[Expr, Expr]
    offsets: tuple[Expr, Expr]
    more: Expr = None


@dataclass(frozen=True, eq=False)
class _Channels:
    """What the code computes with: float64 `[C]` scale and offset.

    `high`: `HIGH` is in the offset. Otherwise there are binary places and int64 `[C]` numbers that
    are taken off below zero.
    """

    scale: Array
    offset: Array
    high: bool = False
    places: int = 0
    below: Array | None = None

    def __call__(self, acc: Array) -> Array:
        """What the code makes of `acc` `[..., C]`, before the clamp."""
        total = acc.astype(np.float64) * self.scale + self.offset
        if self.high:
            return np.asarray((total.view(np.int64) >> 32) - HIGH_WORD)
        whole = np.rint(total).astype(np.int64)
        if self.below is not None:
            whole = whole - self.below * (acc < 0)
        return np.asarray(whole >> self.places)

    def holds(self, span: tuple[Array, Array]) -> bool:
        """Whether all of `span` stays within the word that is read."""
        most = np.maximum(np.abs(span[0]), np.abs(span[1])).astype(np.float64) * self.scale
        if self.high:
            return bool((most + np.abs(self.offset - HIGH) < 2.0**18).all())
        below = 0 if self.below is None else self.below
        return bool((most + np.abs(self.offset) + below < 2.0**30).all())


@dataclass(frozen=True)
class WebEpilogue:
    """Requantise, add the zero point, clamp, store int8; `late` is added to whole numbers."""

    low: int
    high: int
    late: int
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
        # Halves go to an even number before the zero point is added.
        late = zero_point if requantize.rounding == "even" else 0
        trial = _Trial.of(requantize, zero_point, (low, high), span)
        for channels in _candidates(requantize, zero_point - late, low >= zero_point, most):
            if channels.holds(span) and trial.passed(channels, late):
                return WebEpilogue(low, high, late, isa, channels=channels)
        return None

    @property
    def rows(self) -> int:
        """int32 constants a channel in packed parameters."""
        return 5 if self.channels.below is None else 6

    @property
    def head(self) -> int:
        """int32 constants before all channels: a vector of `HIGH_WORD`, `late` taken off."""
        return BLOCK if self.channels.high else 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code, but for the target's instructions."""
        form = self.channels
        return (self.low, self.high, self.late, form.high, form.places, form.below is None)

    @property
    def apart(self) -> int:
        """int32 constants from a block to the next; a block's biases are its first ones."""
        return self.rows * BLOCK

    def pack(self, bias: Array, panels: Sequence[tuple[int, int]]) -> Array:
        """int32 constants by panels and blocks of four: bias, scale, offset, number below zero.

        Scale and offset are float64, two rows each.
        """
        parts = [np.full(self.head, HIGH_WORD - self.late, np.int32)]
        for first, count in panels:
            for c in range(first, first + count, BLOCK):
                block = slice(c, c + BLOCK)
                parts.append(bias[block].astype(np.int32))
                for wide in (self.channels.scale, self.channels.offset):
                    parts.append(np.ascontiguousarray(wide[block]).view(np.int32))
                if self.channels.below is not None:
                    parts.append(self.channels.below[block].astype(np.int32))
        return np.concatenate(parts)

    def bias(self, packed: Any, at: Expr, block: int) -> Expr:
        """Bias of a block; `at` is where the panel's constants begin, but for the head."""
        return load(packed, at + (self.head + block * self.rows * BLOCK), "int32x4")

    def load(self, k: Builder, packed: Any, at: Expr, block: int) -> Parameters:
        """The constants of a block."""
        base = self.head + block * self.rows * BLOCK

        def row(number: int) -> Expr:
            return load(packed, at + (base + number * BLOCK), "int32x4")

        wide = [k.let(reinterpret(row(number), "float64x2")) for number in range(1, 5)]
        more = None
        if self.channels.high:
            # From memory: V8 makes a constant anew wherever it is used.
            more = k.let(load(packed, 0, "int32x4"))
        elif self.channels.below is not None:
            more = k.let(row(5))
        return Parameters((wide[0], wide[1]), (wide[2], wide[3]), more)

    def rescale(self, k: Builder, acc: Expr, p: Parameters) -> Expr:
        """A block of requantised int32, not clamped."""
        form, words = self.channels, []
        for half, scale, offset in zip((0, 2), p.scales, p.offsets, strict=True):
            lanes = cast(shuffle([acc], (half, half + 1)), "float64x2")
            total = lanes * scale + offset
            if not form.high:
                total = total + constant(MAGIC, "float64", 2)
            words.append(reinterpret(k.let(total), "int32x4"))
        if form.high:
            return shuffle(words, (1, 3, 5, 7)) - p.more
        value = shuffle(words, (0, 2, 4, 6))
        if form.below is not None:
            value = value - ((acc >> constant(31, "int32", BLOCK)) & p.more)
        if form.places:
            value = k.let(value) >> constant(form.places, "int32", BLOCK)
        return value + constant(self.late, "int32", BLOCK) if self.late else value

    def store(self, k: Builder, out: Any, at: Expr, values: Sequence[Expr]) -> None:
        """Store an even number of rescaled blocks as int8 channels from `out[at]` on."""
        words = [
            k.let(self.isa.words(a, b)) for a, b in zip(values[0::2], values[1::2], strict=True)
        ]
        for number in range(0, len(words), 2):
            pair = words[number : number + 2]
            value = self._bytes(pair[0], pair[-1])
            if len(pair) == 1:
                value = shuffle([k.let(value)], range(8))
            k.store(out, at + 8 * number, value)

    def _bytes(self, lo: Expr, hi: Expr) -> Expr:
        """Saturation is the clamp at the ends of int8."""
        value = self.isa.bytes(lo, hi)
        if self.low > -128:
            value = intrinsic("llvm.smax.v16i8", "int8x16", value, constant(self.low, "int8", 16))
        if self.high < 127:
            value = intrinsic("llvm.smin.v16i8", "int8x16", value, constant(self.high, "int8", 16))
        return value


def _candidates(
    requantize: Requantize, zero_point: int, relu: bool, most: Array
) -> Iterator[_Channels]:
    """Forms that may be exact, the cheaper one first; `relu`: nothing below zero counts."""
    shift = requantize.shift.astype(np.int64)
    scale = np.ldexp(requantize.multiplier.astype(np.float64), shift - 31)
    addend = np.zeros_like(scale) if requantize.addend is None else requantize.addend
    offset = np.ldexp(addend.astype(np.float64), shift - 31) + zero_point
    # Two roundings are one that begins half a step of the first rounding earlier.
    step = np.where(shift < 0, np.ldexp(1.0, shift), 0.0)
    if requantize.rounding != "twice":
        step = np.zeros_like(step)
    yield _Channels(scale, offset + step / 2 + 0.5 + HIGH, high=True)
    # Less than any step of the product: the nearest whole number of a half is the upper one.
    upwards = 0.0 if requantize.rounding == "even" else np.ldexp(1.0, shift - 33)
    yield _Channels(scale, offset + step / 2 + upwards)
    most_places = min(MOST_PLACES, 29 - int(np.ceil(np.log2((most * scale).max() + 2 + 128))))
    if requantize.rounding == "even" or relu or most_places < 1:
        return
    # Layers whose shifts are the same share their code.
    for places in (*([SHARED_PLACES] if most_places > SHARED_PLACES else []), most_places):
        yield _floored(requantize, scale, offset, step, upwards, places)


def _floored(
    requantize: Requantize, scale: Array, offset: Array, step: Array, upwards: Any, places: int
) -> _Channels:
    """The form with `places` binary places, from whose products below zero a number is taken."""
    shift = requantize.shift.astype(np.int64)
    if requantize.rounding == "twice":
        below = np.rint(np.ldexp(step, places)).astype(np.int64)
    else:
        # Only the halves go the other way; all products of such a channel are whole in `t`.
        multiplier = requantize.multiplier.astype(np.int64)
        whole = multiplier % (np.int64(1) << np.clip(31 - shift - places, 0, 31)) == 0
        below = (whole & (multiplier != 0)).astype(np.int64)
    # A floor follows, which wants the half that the nearest whole number brings by itself.
    begin = np.ldexp(offset + step / 2 + 0.5, places) - 0.5 + np.ldexp(upwards, places)
    return _Channels(np.ldexp(scale, places), begin, places=places, below=below)


@dataclass(frozen=True, eq=False)
class _Trial:
    """Sums around every step of every channel, `[sums, C]`, and what the reference makes of them.

    In between two steps both are the same number, since neither ever falls. `complete`: the steps
    are there.
    """

    acc: Array
    asked: Array
    ends: tuple[int, int]
    complete: bool

    @staticmethod
    def of(
        requantize: Requantize, zero_point: int, ends: tuple[int, int], span: tuple[Array, Array]
    ) -> _Trial:
        """`ends`: of what is stored; `span`: the least and the greatest sum of every channel."""
        low, high = (np.asarray(end, np.int64) for end in span)
        shift = requantize.shift.astype(np.int64) - 31
        steps = np.arange(ends[0] + 1, ends[1] + 1)[:, None]
        real = np.ldexp(requantize.multiplier.astype(np.float64), shift)
        more = np.zeros_like(real) if requantize.addend is None else requantize.addend
        more = np.ldexp(np.asarray(more, np.float64), shift)
        dead = real == 0
        middle = (steps - zero_point - 0.5 - more) / np.where(dead, 1.0, real)
        begin = np.clip(np.ceil(np.where(dead, 0.0, middle)), low, high).astype(np.int64)
        around = [np.clip(begin + n, low, high) for n in range(-AROUND, AROUND + 1)]
        asked = [np.clip(rescaled(acc, requantize) + zero_point, *ends) for acc in around]
        first, last = np.maximum(begin - AROUND, low), np.minimum(begin + AROUND, high)
        before = (asked[0] < steps) | (first == low) | dead
        behind = (asked[-1] >= steps) | (last == high) | dead
        complete = bool((before & behind).all())
        return _Trial(np.concatenate(around), np.concatenate(asked), ends, complete)

    def passed(self, channels: _Channels, late: int) -> bool:
        """Whether `channels`, with `late` added, make what was asked for."""
        made = np.clip(channels(self.acc) + late, *self.ends)
        return self.complete and np.array_equal(made, self.asked)
