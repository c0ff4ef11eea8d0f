"""From int32 accumulators to int8 rows on AVX-512: TFLite's two roundings, ONNX's one, to the bit.

With a right shift s >= 1, both of TFLite's roundings and the zero point are one floor:

    ((acc * m + 2**30 + 2**(30 + s)) >> (31 + s)) + z  =  hi32(acc * m + addend) >> (s - 1)

with addend = 2**30 + 2**(30 + s) + z * 2**(31 + s). That is right for sums that are not negative;
of the others one has to be taken off before the shift, which matters only if no clamp at the zero
point (ReLU) follows. Then the accumulator is doubled, so that the bit to take it from is there.
ONNX's one rounding needs neither, but halves that go to even where a sum meets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.avx2.requantize import signed_low
from edgemnv2.schedules.halves import Halves, corrected, fractions_of, halves_of
from edgemnv2.schedules.integer import live_shifts
from edgemnv2.tir.builder import Builder, constant, intrinsic, load, reinterpret, shuffle

__all__ = ["Epilogue", "Parameters", "narrow_blocks", "narrow_words"]

Expr = Any
Array = NDArray[Any]

MOST_SHIFT = 22
"""Right shifts for which the addend, zero point and all, fits into 64 bits beside the product."""
ROWS = 5
"""int32 constants a channel: bias, multiplier, addend (int64), shift."""


@dataclass(frozen=True)
class Parameters:
    """Loaded constants of a block: multipliers and addends of even and odd lanes, shifts."""

    even: Expr
    odd: Expr
    add_even: Expr
    add_odd: Expr
    shift: Expr
    halves: tuple[Expr, Expr] | None = None


@dataclass(frozen=True)
class Epilogue:
    """Requantise and clamp.

    `relu`: the clamp begins at or above the zero point. `single`: rounded once, halves away from
    zero. `even`: rounded once as ONNX does, with `halves` that go to even.
    """

    zero_point: int
    low: int
    high: int
    relu: bool
    single: bool
    even: bool = False
    halves: Halves | None = field(default=None, compare=False)

    @staticmethod
    def of(
        requantize: Requantize,
        zero_point: int,
        clamp: tuple[float, float],
        largest_sum: int,
        span: tuple[Array, Array],
    ) -> Epilogue | None:
        """The epilogue, or None for factors of one half and more, or next to nothing.

        `largest_sum` bounds the magnitude of the accumulators, which lie within `span`.
        """
        live = live_shifts(requantize)
        if live.size and (live.min() < -MOST_SHIFT or live.max() > -1):
            return None
        low, high = int(clamp[0]), int(clamp[1])
        if requantize.rounding == "even":
            if largest_sum >= 1 << 31 or fractions_of(requantize) is None:
                return None
            halves = halves_of(requantize, span)
            return Epilogue(zero_point, low, high, low >= zero_point, False, True, halves)
        epilogue = Epilogue(
            zero_point, low, high, low >= zero_point, bool(requantize.single_rounding)
        )
        return epilogue if largest_sum < 1 << (30 if epilogue.doubled else 31) else None

    @property
    def doubled(self) -> bool:
        """Whether `rescale` doubles the accumulators."""
        return not self.relu and not self.single and not self.even

    @property
    def rows(self) -> int:
        """int32 constants a channel."""
        return ROWS if self.halves is None else ROWS + 2

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code."""
        key = (self.zero_point, self.low, self.high, self.relu, self.single)
        return (*key, "even", self.halves is not None) if self.even else key

    def pack(
        self, bias: Array, requantize: Requantize, blocks: Sequence[Sequence[int] | Array]
    ) -> Array:
        """int32 constants by block; each is the list of the channels of one vector, in its order.

        A block is bias, multiplier, addends of even and of odd lanes (int64), right shift, and mask
        and residue of halves.
        """
        multiplier = np.asarray(requantize.multiplier, np.int64)
        right = np.where(multiplier == 0, 1, -np.asarray(requantize.shift, np.int64))
        base = np.int64(31 if self.doubled else 30)
        first_rounding = 0 if self.single or self.even else 1 << int(base)
        more = 0 if requantize.addend is None else requantize.addend
        addend = first_rounding + more + (np.int64(1) << (base + right))
        addend = addend + self.zero_point * (np.int64(1) << (base + 1 + right))
        shift = right if self.doubled else right - 1
        channels = len(bias)
        multiplier, addend, shift = (
            np.broadcast_to(row, channels) for row in (multiplier, addend, shift)
        )
        parts = []
        for block in blocks:
            c = np.asarray(block)
            wide = np.ascontiguousarray(addend[c])
            parts += [bias[c], multiplier[c]]
            parts += [np.ascontiguousarray(wide[n::2]).view(np.int32) for n in (0, 1)]
            parts.append(shift[c])
            if self.halves is not None:
                parts += [self.halves.mask[c], self.halves.residue[c]]
        return np.concatenate([part.astype(np.int32) for part in parts])

    def load(self, k: Builder, packed: Any, at: Expr, lanes: int) -> Parameters:
        """The constants of the block of `lanes` channels at `packed[at]`."""
        wide = f"int64x{lanes // 2}"

        def row(number: int) -> Expr:
            return load(packed, at + number * lanes, f"int32x{lanes}")

        multiplier = k.let(row(1))
        return Parameters(
            even=k.let(signed_low(reinterpret(multiplier, wide), lanes // 2)),
            odd=k.let(signed_low(_odd(multiplier, lanes), lanes // 2)),
            add_even=k.let(reinterpret(row(2), wide)),
            add_odd=k.let(reinterpret(row(3), wide)),
            shift=k.let(row(4)),
            halves=None if self.halves is None else (k.let(row(5)), k.let(row(6))),
        )

    def rescale(self, k: Builder, acc: Expr, p: Parameters, lanes: int) -> Expr:
        """Requantised int32 of `lanes` accumulators, zero point included, not yet clamped."""
        pairs, narrow = lanes // 2, f"int32x{lanes}"
        if self.doubled:
            acc = k.let(acc + acc)
        even = signed_low(reinterpret(acc, f"int64x{pairs}"), pairs) * p.even
        odd = signed_low(_odd(acc, lanes), pairs) * p.odd
        if self.single and not self.relu:
            # Halves of negative products go down: one less in the last place of 64 bits.
            sign = constant(63, "int64", pairs)
            even, odd = k.let(even), k.let(odd)
            even, odd = even + (even >> sign), odd + (odd >> sign)
        even, odd = k.let(even + p.add_even), k.let(odd + p.add_odd)
        high = [i + lanes * s for i in range(1, lanes, 2) for s in (0, 1)]
        t = shuffle([reinterpret(even, narrow), reinterpret(odd, narrow)], high)
        if self.doubled:
            t = t + (acc >> constant(31, "int32", lanes))
        t = k.let(t >> p.shift)
        if p.halves is None:
            return t
        return corrected(k, t, acc, *p.halves, lanes, self.zero_point & 1)

    def narrow(self, k: Builder, blocks: Sequence[Expr], lanes: int) -> Expr:
        """int8 of up to four rescaled blocks, block after block."""
        return narrow_blocks(k, blocks, lanes, self.low, self.high)


def narrow_blocks(k: Builder, blocks: Sequence[Expr], lanes: int, low: int, high: int) -> Expr:
    """int8 of up to four int32 vectors, one after the other, clamped; what follows is arbitrary."""
    padded = [*blocks, *[blocks[-1]] * (4 - len(blocks))]
    words = [narrow_words(k, padded[n : n + 2], lanes) for n in (0, 2)]
    value = _pack_bytes(k, words, lanes, low, high)
    # Each 128 bits hold four elements of each block.
    order = [4 * q + j for j in range(4) for q in range(lanes // 4)]
    value = shuffle([reinterpret(value, f"int32x{lanes}")], order)
    return k.let(reinterpret(value, f"int8x{4 * lanes}"))


def narrow_words(k: Builder, blocks: Sequence[Expr], lanes: int) -> Expr:
    """int16 of two int32 vectors, saturated: in each 128 bits, four elements of either."""
    return k.let(intrinsic(_pack_name("dw", lanes), f"int16x{2 * lanes}", *blocks))


def _pack_bytes(k: Builder, words: Sequence[Expr], lanes: int, low: int, high: int) -> Expr:
    """int8 of two int16 vectors, clamped: in each 128 bits, eight elements of either."""
    size = 4 * lanes
    dtype = f"int8x{size}"
    value = intrinsic(_pack_name("wb", lanes), dtype, *words)
    # Saturation is the outermost clamp.
    if low > -128:
        value = intrinsic(f"llvm.smax.v{size}i8", dtype, value, constant(low, "int8", size))
    if high < 127:
        value = intrinsic(f"llvm.smin.v{size}i8", dtype, value, constant(high, "int8", size))
    return k.let(value)


def _pack_name(kind: str, lanes: int) -> str:
    name = {16: "avx512.packss{}.512", 8: "avx2.packss{}", 4: "sse2.packss{}.128"}[lanes]
    return "llvm.x86." + name.format(kind)


def _odd(value: Expr, lanes: int) -> Expr:
    """int64 lanes that have the odd int32 lanes of `value` in their low halves."""
    return reinterpret(shuffle([value], [i | 1 for i in range(lanes)]), f"int64x{lanes // 2}")
