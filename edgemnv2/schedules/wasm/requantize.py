"""From int32 accumulators to int8 rows in WebAssembly, to the bit.

The arithmetic is that of AVX2 (`schedules/avx2/requantize.py`) by blocks of four channels. But
WebAssembly shifts all lanes alike: a channel that wants a smaller shift than the layer's largest is
multiplied by the power of two between them first, which loses nothing as long as no bit falls off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.avx2.requantize import Epilogue, Parameters
from edgemnv2.schedules.halves import corrected
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

__all__ = ["BLOCK", "WebEpilogue"]

Expr = Any
Array = NDArray[Any]
BLOCK = 4
"""Channels of one vector of sums."""


def _halves(value: Expr) -> tuple[Expr, Expr]:
    """int64x2 each: the two lower lanes of an int32x4, and the two upper ones."""
    low, high = shuffle([value], (0, 1)), shuffle([value], (2, 3))
    return cast(low, "int64x2"), cast(high, "int64x2")


@dataclass(frozen=True)
class WebEpilogue(Epilogue):
    """Requantise, add the zero point, clamp, store int8; `shift` is that of all channels."""

    shift: int = 0
    isa: Isa = NO_SIMD

    @staticmethod
    def for_web(
        isa: Isa,
        requantize: Requantize,
        zero_point: int,
        clamp: tuple[float, float],
        largest_sum: int,
        span: tuple[Array, Array],
    ) -> WebEpilogue | None:
        """The cheapest exact one, or None; arguments as `Epilogue.of` has them."""
        base = Epilogue.of(requantize, zero_point, clamp, largest_sum, span)
        if base is None:
            return None
        _, _, right, left, _ = base.columns(requantize)
        most, spread = int(right.max()), int(right.max() - right.min())
        # Behind the product sums are no larger than before it, but for the addend's one.
        if (largest_sum + 2) << (int(left.max()) + spread) >= 1 << 31:
            return None
        values = {field.name: getattr(base, field.name) for field in fields(base)}
        return WebEpilogue(**values, shift=most, isa=isa)

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code, but for the target's instructions."""
        return (*super().key, self.shift)

    def pack(
        self,
        bias: Array,
        requantize: Requantize,
        panels: Sequence[tuple[int, int]],
    ) -> Array:
        """int32 constants by panels and blocks of four.

        A block is bias, multiplier, addends (int64), the power of two that replaces the shift, in
        the general form that of the left shift and the sign mask, and mask and residue of halves.
        """
        multiplier, addend, right, left, mask = self.columns(requantize)
        rows = [bias.astype(np.int64) * self.doubled, multiplier, None, 1 << (self.shift - right)]
        rows += [1 << left, mask] if self.general else []
        halves = self.packed_halves
        rows += [halves.mask, halves.residue] if halves is not None else []
        parts = []
        for first, count in panels:
            for c in range(first, first + count, BLOCK):
                block = slice(c, c + BLOCK)
                wide = np.ascontiguousarray(addend[block]).view(np.int32)
                parts += [wide if row is None else row[block] for row in rows]
        return np.concatenate([part.astype(np.int32) for part in parts])

    def bias(self, packed: Any, at: Expr, block: int) -> Expr:
        """Bias of a block; `at` is where the panel's constants begin."""
        return load(packed, at + block * self.rows * BLOCK, "int32x4")

    def load(self, k: Builder, packed: Any, at: Expr, block: int) -> Parameters:
        """The constants of a block: "even" are its two lower lanes, "odd" the upper ones."""
        base = block * self.rows * BLOCK

        def row(number: int) -> Expr:
            return load(packed, at + (base + number * BLOCK), "int32x4")

        low, high = _halves(k.let(row(1)))
        return Parameters(
            even=k.let(low),
            odd=k.let(high),
            add_even=k.let(reinterpret(row(2), "int64x2")),
            add_odd=k.let(reinterpret(row(3), "int64x2")),
            shift=k.let(row(4)),
            left=k.let(row(5)) if self.general else None,
            mask=k.let(row(6)) if self.general and not self.even else None,
            halves=None
            if self.halves is None
            else (k.let(row(self.rows - 2)), k.let(row(self.rows - 1))),
        )

    def rescale(self, k: Builder, acc: Expr, p: Parameters) -> Expr:
        """A block of requantised int32, without zero point."""
        before = acc
        if self.general:
            acc = k.let(acc * p.left)
        low, high = _halves(acc)
        low, high = low * p.even + p.add_even, high * p.odd + p.add_odd
        sign = None
        if not self.relu and not self.even:
            sign = k.let(acc >> constant(31, "int32", BLOCK))
        if self.single and sign is not None:
            # Halves of negative products go down, too: one less in the last place of 64 bits.
            below, above = _halves(sign)
            low, high = low + below, high + above
        low, high = k.let(low), k.let(high)
        if self.general:
            one = constant(1, "int64", 2)
            low, high = low << one, high << one
        upper_words = [reinterpret(low, "int32x4"), reinterpret(high, "int32x4")]
        t = shuffle(upper_words, (1, 3, 5, 7))
        if sign is not None and not self.single:
            t = t + (sign & p.mask if self.general else sign)
        t = k.let((t * p.shift) >> constant(self.shift, "int32", BLOCK))
        if self.even and p.halves is not None:
            return corrected(k, t, before, *p.halves, BLOCK)
        return t

    def store(self, k: Builder, out: Any, at: Expr, values: Sequence[Expr]) -> None:
        """Store an even number of rescaled blocks as int8 channels from `out[at]` on."""
        words = [
            k.let(self._offset(self.isa.words(a, b), 8))
            for a, b in zip(values[0::2], values[1::2], strict=True)
        ]
        for number in range(0, len(words), 2):
            pair = words[number : number + 2]
            value = self._bytes(pair[0], pair[-1])
            if len(pair) == 1:
                value = shuffle([k.let(value)], range(8))
            k.store(out, at + 8 * number, value)

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
