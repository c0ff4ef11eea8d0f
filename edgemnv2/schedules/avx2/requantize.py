"""From int32 accumulators to int8 rows on AVX2: TFLite's two roundings, ONNX's one, to the bit.

Both roundings are additions before floors, and nested floors are one: with a right shift s >= 1,

    SRDHM then RoundingDivideByPOT  =  hi32(2 * acc * m + 2**31 + 2**(31 + s)) >> s

for numbers that are not negative; for the others one is taken off before the shift, which matters
only if no clamp at the zero point (ReLU) follows. The short form takes accumulators that have been
doubled already; the general one doubles the 64-bit product, and allows shifts of nought and left
shifts. ONNX's one rounding has one addend less, and halves that go to even where a sum meets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.avx2.simd import halves, panel_order
from edgemnv2.schedules.halves import Halves, corrected, fractions_of, halves_of
from edgemnv2.schedules.integer import live_shifts, rounds_to_the_right
from edgemnv2.tir.builder import (
    Builder,
    constant,
    intrinsic,
    load,
    reinterpret,
    shuffle,
)

__all__ = ["Epilogue", "Parameters", "requantize_constants", "signed_low"]

Expr = Any
Array = NDArray[Any]
LANES = 8
MOST_EVEN_SHIFT = 29
"""Right shifts to which 64 bits hold an addend beside the doubled product."""


@dataclass(frozen=True)
class Parameters:
    """Loaded constants of a block: multipliers and addends of even and odd lanes, shifts."""

    even: Expr
    odd: Expr
    add_even: Expr
    add_odd: Expr
    shift: Expr
    left: Expr = None
    mask: Expr = None
    halves: tuple[Expr, Expr] | None = None


def signed_low(value: Expr, lanes: int) -> Expr:
    """int64 lanes from their low halves. No instruction: it tells LLVM that `vpmuldq` is enough."""
    thirty_two = constant(32, "int64", lanes)
    return (value << thirty_two) >> thirty_two


def requantize_constants(
    multiplier: int,
    shift: int,
    general: bool,
    single: bool = False,
    even: bool = False,
    more: int = 0,
) -> tuple[int, int, int, int, int]:
    """`(multiplier, addend, right shift, left shift, sign mask)` of one channel.

    `more` is the addend of ONNX's factor.
    """
    right, left = max(-shift, 0), max(shift, 0)
    if multiplier == 0:
        right, left = 1, 0
    base = 30 if general else 31
    if even:
        return multiplier, (1 << (base + right)) + (more << left << (base - 30)), right, left, 0
    # Rounded once: without the first half.
    addend = (0 if single else 1 << base) + ((1 << (base + right)) if right else 0)
    return multiplier, addend, right, left, -1 if right else 0


@dataclass(frozen=True)
class Epilogue:
    """Requantise, add the zero point, clamp, store int8.

    `relu`: the clamp begins at or above the zero point. `general`: shifts that are not to the
    right, or sums that would overflow when doubled. `single`: rounded once, halves away from zero.
    `even`: rounded once as ONNX does, with `halves` that go to even.
    """

    zero_point: int
    low: int
    high: int
    relu: bool
    general: bool
    single: bool = False
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
        """The cheapest exact epilogue of these factors, or None.

        `largest_sum` bounds the magnitude of the accumulators, which lie within `span`.
        """
        if not rounds_to_the_right(requantize):
            return None
        live = live_shifts(requantize)
        general = bool(live.size and live.max() >= 0) or largest_sum >= 1 << 30
        low, high = int(clamp[0]), int(clamp[1])
        relu, single = low >= zero_point, requantize.single_rounding
        if requantize.rounding != "even":
            return Epilogue(zero_point, low, high, relu, general, single)
        left = max(0, int(live.max())) if live.size else 0
        # Left shifts would wrap, and the addend's sum with the largest product leave 64 bits.
        if largest_sum << left >= 1 << 31 or fractions_of(requantize) is None:
            return None
        if live.size and live.min() < -MOST_EVEN_SHIFT:
            return None
        halves = halves_of(requantize, span)
        return Epilogue(zero_point, low, high, relu, general, False, True, halves)

    @property
    def doubled(self) -> int:
        """The factor that the accumulators carry."""
        return 1 if self.general else 2

    @property
    def rows(self) -> int:
        """int32 constants a channel in packed parameters."""
        return (7 if self.general else 5) + 2 * (self.halves is not None)

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code."""
        ends = (self.zero_point, self.low, self.high)
        key = (*ends, self.relu, self.general, self.single)
        return (*key, "even", self.halves is not None) if self.even else key

    def pack(
        self,
        bias: Array,
        requantize: Requantize,
        panels: Sequence[tuple[int, int]],
    ) -> Array:
        """int32 constants by panels and blocks of eight, in the panels' lane order.

        A block is bias, multiplier, addends of even and of odd lanes (int64), right shift, in the
        general form left shift and sign mask, and mask and residue of halves.
        """
        multiplier, addend, right, left, mask = self.columns(requantize)
        halves = self.packed_halves
        bias = bias.astype(np.int64) * self.doubled
        parts = []
        for n0, n in panels:
            order = panel_order(n)
            for c in (n0 + np.array(order)).reshape(-1, LANES):
                parts += [bias[c], multiplier[c]]
                parts += [addend[c[0::2]].view(np.int32), addend[c[1::2]].view(np.int32)]
                parts += [right[c]]
                if self.general:
                    parts += [left[c], mask[c]]
                if halves is not None:
                    parts += [halves.mask[c], halves.residue[c]]
        return np.concatenate([part.astype(np.int32) for part in parts])

    def columns(self, requantize: Requantize) -> list[Array]:
        """int64 `[C]` each: what `requantize_constants` gives for every channel."""
        count = len(requantize.multiplier)
        more = [0] * count if requantize.addend is None else requantize.addend
        factors = zip(requantize.multiplier, requantize.shift, more, strict=True)
        rows = [
            requantize_constants(int(m), int(s), self.general, self.single, self.even, int(a))
            for m, s, a in factors
        ]
        return [np.array(column, np.int64) for column in zip(*rows, strict=True)]

    @property
    def packed_halves(self) -> Halves | None:
        """Mask and residue of halves as accumulators have them."""
        if self.halves is None or self.general:
            return self.halves
        return self.halves.doubled()

    def bias(self, packed: Any, at: Expr, block: int) -> Expr:
        """Bias of a block of eight; `at` is where the panel's constants begin."""
        return load(packed, at + block * self.rows * LANES, f"int32x{LANES}")

    def load(self, k: Builder, packed: Any, at: Expr, block: int) -> Parameters:
        """The constants of a block of eight."""
        base = block * self.rows * LANES
        wide = f"int64x{LANES // 2}"

        def row(number: int) -> Expr:
            return load(packed, at + (base + number * LANES), f"int32x{LANES}")

        multiplier = k.let(row(1))
        return Parameters(
            even=k.let(signed_low(reinterpret(multiplier, wide), LANES // 2)),
            odd=k.let(signed_low(self._odd(multiplier), LANES // 2)),
            add_even=k.let(reinterpret(row(2), wide)),
            add_odd=k.let(reinterpret(row(3), wide)),
            shift=k.let(row(4)),
            left=k.let(row(5)) if self.general else None,
            mask=k.let(row(6)) if self.general and not self.even else None,
            halves=None
            if self.halves is None
            else (k.let(row(self.rows - 2)), k.let(row(self.rows - 1))),
        )

    def _odd(self, value: Expr) -> Expr:
        """int64 lanes that have the odd int32 lanes of `value` in their low halves."""
        lanes = [i | 1 for i in range(LANES)]
        return reinterpret(shuffle([value], lanes), f"int64x{LANES // 2}")

    def rescale(self, k: Builder, acc: Expr, p: Parameters) -> Expr:
        """A block of requantised int32, without zero point."""
        pairs, narrow = LANES // 2, f"int32x{LANES}"
        unshifted = acc
        if self.general:
            acc = k.let(acc << p.left)
        even = signed_low(reinterpret(acc, f"int64x{pairs}"), pairs)
        odd = signed_low(self._odd(acc), pairs)
        product_even, product_odd = even * p.even + p.add_even, odd * p.odd + p.add_odd
        if self.single and not self.relu:
            # Halves of negative products go down, too: one less in the last place of 64 bits.
            sign = k.let(acc >> constant(31, "int32", LANES))
            evens = [i & ~1 for i in range(LANES)]
            product_even = product_even + reinterpret(shuffle([sign], evens), f"int64x{pairs}")
            product_odd = product_odd + self._odd(sign)
        product_even, product_odd = k.let(product_even), k.let(product_odd)
        if self.general:
            one = constant(1, "int64", pairs)
            product_even, product_odd = product_even << one, product_odd << one
        high_halves = [i + LANES * s for i in range(1, LANES, 2) for s in (0, 1)]
        t = shuffle(
            [reinterpret(product_even, narrow), reinterpret(product_odd, narrow)], high_halves
        )
        if self.even:
            t = k.let(t >> p.shift)
            return t if p.halves is None else corrected(k, t, unshifted, *p.halves, LANES)
        if not self.relu and not self.single:
            sign = acc >> constant(31, "int32", LANES)
            t = t + (sign & p.mask if self.general else sign)
        return k.let(t >> p.shift)

    def store(self, k: Builder, out: Any, at: Expr, values: Sequence[Expr]) -> None:
        """Store rescaled blocks, in panel order, as int8 channels from `out[at]` on."""
        blocks = list(values)
        done = 0
        while blocks:
            if len(blocks) >= 2:
                value, lanes = self.narrow16(k, blocks[0], blocks[1]), 16
            else:
                lo, hi = halves(blocks[0], 8)
                words = intrinsic("llvm.x86.sse2.packssdw.128", "int16x8", lo, hi)
                lo = k.let(self._offset(words, 8))
                value, lanes = shuffle([self._bytes(lo, lo)], range(8)), 8
            del blocks[: lanes // 8]
            k.store(out, at + done, value)
            done += lanes

    def narrow16(self, k: Builder, first: Expr, second: Expr) -> Expr:
        """int8x16 of two rescaled blocks in panel order."""
        words = intrinsic("llvm.x86.avx2.packssdw", "int16x16", first, second)
        lo, hi = halves(k.let(self._offset(words, 16)), 16)
        return self._bytes(lo, hi)

    @property
    def _unsigned(self) -> bool:
        return self.relu and self.zero_point == -128

    def _offset(self, words: Expr, lanes: int) -> Expr:
        if self._unsigned:
            return words
        zero = constant(self.zero_point, "int16", lanes)
        return intrinsic(f"llvm.sadd.sat.v{lanes}i16", f"int16x{lanes}", words, zero)

    def _bytes(self, lo: Expr, hi: Expr) -> Expr:
        if self._unsigned:
            # Saturation at 0 is the clamp at the zero point, -128.
            value = intrinsic("llvm.x86.sse2.packuswb.128", "int8x16", lo, hi)
            value = value ^ constant(-128, "int8", 16)
        else:
            value = intrinsic("llvm.x86.sse2.packsswb.128", "int8x16", lo, hi)
        if self.low > -128:
            value = intrinsic("llvm.smax.v16i8", "int8x16", value, constant(self.low, "int8", 16))
        if self.high < 127:
            value = intrinsic("llvm.smin.v16i8", "int8x16", value, constant(self.high, "int8", 16))
        return value
