"""From int32 accumulators to int8 rows: TFLite's double rounding on NEON, exact to the bit.

`sqrdmulh` is SaturatingRoundingDoublingHighMul. `srshl` by -s rounds halves up; TFLite's
RoundingDivideByPOT rounds them away from zero, which for a negative x is the same as rounding
`x - 1` halves up, if s >= 1. Where a clamp at the zero point follows (ReLU), negative numbers end
there either way, and the correction is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.integer import live_shifts
from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.tir.builder import Builder, concat, constant, load, shuffle
from edgemnv2.tir.tiling import pack_columns

__all__ = ["Int8Epilogue", "Parameters", "pack_parameters"]

Expr = Any
Array = NDArray[Any]


@dataclass(frozen=True)
class Parameters:
    """Loaded requantisation constants of one panel, four channels in a vector."""

    bias: list[Expr]
    multiplier: list[Expr]
    shift: list[Expr]
    left: list[Expr]


@dataclass(frozen=True)
class Int8Epilogue:
    """Requantise, add the zero point, clamp, store; `form` is how signs and shifts are treated.

    `form`: "relu" (clamp at or above the zero point), "right" (every shift at least one to the
    right), "zero" (shifts of nought too), "left" (left shifts too), "single" (rounded once, every
    shift at least one to the right).
    """

    isa: Isa
    zero_point: int
    low: int
    high: int
    form: str
    has_left: bool

    @staticmethod
    def of(
        isa: Isa, requantize: Requantize, zero_point: int, clamp: tuple[float, float]
    ) -> Int8Epilogue:
        """The cheapest exact epilogue for these factors, of which `rounds_to_the_right` holds."""
        low, high = int(clamp[0]), int(clamp[1])
        live = live_shifts(requantize)
        largest = int(live.max()) if live.size else -1
        if requantize.single_rounding:
            form = "single"
        elif low >= zero_point:
            form = "relu"
        elif largest <= -1:
            form = "right"
        elif largest == 0:
            form = "zero"
        else:
            form = "left"
        return Int8Epilogue(isa, zero_point, low, high, form, largest > 0)

    @property
    def rows(self) -> int:
        """int32 constants a channel in packed parameters."""
        return 4 if self.has_left else 3

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code."""
        return (self.zero_point, self.low, self.high, self.form, self.has_left)

    def load(self, k: Builder, packed: Any, at: Expr, channels: int) -> Parameters:
        """The constants of a panel of `channels` whose packed block begins at `at`."""
        groups = [
            [
                k.let(load(packed, at + (row * channels + i), "int32x4"))
                for i in range(0, channels, 4)
            ]
            for row in range(self.rows)
        ]
        return Parameters(groups[0], groups[1], groups[2], groups[3] if self.has_left else [])

    def bias(self, k: Builder, packed: Any, at: Expr, number: int) -> Expr:
        """Bias of the channels `4 * number ..` of the panel whose block begins at `at`."""
        return load(packed, at + 4 * number, "int32x4")

    def rescale(self, k: Builder, acc: Expr, number: int, p: Parameters) -> Expr:
        """Four requantised channels, without zero point."""
        if self.form == "single":
            # Halves away from zero of both signs: round the magnitude up. The product's lower half
            # is cut off first, which cannot change a sum with half of the divisor.
            sign = k.let(acc >> constant(31, "int32", 4))
            magnitude = k.let((acc ^ sign) - sign)
            x = k.let(self.isa.sqdmulh32(magnitude, p.multiplier[number]))
            x = k.let(self.isa.srshl32(x, p.shift[number]))
            return k.let((x ^ sign) - sign)
        if self.has_left:
            acc = self.isa.sshl32(acc, p.left[number])
        x = k.let(self.isa.sqrdmulh32(acc, p.multiplier[number]))
        if self.form == "right":
            x = x + (x >> constant(31, "int32", 4))
        elif self.form in ("zero", "left"):
            # The shift vector is negative exactly where a right shift follows.
            x = x + ((x & p.shift[number]) >> constant(31, "int32", 4))
        return k.let(self.isa.srshl32(x, p.shift[number]))

    def narrow(self, k: Builder, values: Sequence[Expr]) -> list[tuple[int, Expr]]:
        """`(lanes, int8 vector)` in channel order of the rescaled `values` (int32x4 each)."""
        isa = self.isa
        unsigned = self.form == "relu" and self.zero_point == -128
        halves: list[Expr] = []
        for i in range(0, len(values), 2):
            pair = [isa.sqxtn32(v) for v in values[i : i + 2]]
            both = k.let(concat(pair if len(pair) == 2 else [pair[0], pair[0]], 4))
            if unsigned:
                # Saturation at 0 is the clamp at the zero point, -128.
                halves.append(isa.sqxtun16(both))
            else:
                halves.append(isa.sqxtn16(isa.sqadd16(both, constant(self.zero_point, "int16", 8))))
        result: list[tuple[int, Expr]] = []
        left = len(values)
        while halves:
            take = 2 if len(halves) >= 2 else 1
            value = concat(halves[:take], 8)
            del halves[:take]
            lanes = 8 * take
            if unsigned:
                value = value ^ constant(-128, "int8", lanes)
            value = k.let(isa.clamp8(value, self.low, self.high, lanes))
            used = min(lanes, 4 * left)
            left -= 2 * take
            result.append((used, value))
        return result

    def store(self, k: Builder, out: Any, at: Expr, acc: Sequence[Expr], p: Parameters) -> None:
        """Requantise and store `4 * len(acc)` consecutive channels from `out[at]` on."""
        values = [self.rescale(k, a, i, p) for i, a in enumerate(acc)]
        done = 0
        for lanes, vector in self.narrow(k, values):
            if lanes % 8:
                whole = lanes // 8 * 8
                if whole:
                    k.store(out, at + done, shuffle([vector], range(whole)))
                vector = shuffle([vector], range(whole, lanes))
                k.store(out, at + (done + whole), vector)
            else:
                k.store(out, at + done, vector)
            done += lanes


def pack_parameters(
    bias: Array, requantize: Requantize, panels: Sequence[tuple[int, int]], epilogue: Int8Epilogue
) -> Array:
    """int32 constants of the `(first channel, channels)` panels, block by block.

    A block is bias, multiplier, right shift (as a negative number) and, if needed, left shift.
    """
    multiplier = np.asarray(requantize.multiplier, np.int32)
    shift = np.where(multiplier == 0, -1, np.asarray(requantize.shift)).astype(np.int32)
    rows = [np.asarray(bias, np.int64).astype(np.int32), multiplier, np.minimum(shift, 0)]
    if epilogue.has_left:
        rows.append(np.maximum(shift, 0))
    table = np.stack(rows).astype(np.int32)
    return pack_columns(table, list(panels))
