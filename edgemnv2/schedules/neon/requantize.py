"""From int32 accumulators to int8 rows on NEON: TFLite's two roundings, ONNX's one, to the bit.

`sqrdmulh` is SaturatingRoundingDoublingHighMul. `srshl` by -s rounds halves up; TFLite's
RoundingDivideByPOT rounds them away from zero, which for a negative x is the same as rounding
`x - 1` halves up, if s >= 1. Where a clamp at the zero point follows (ReLU), negative numbers end
there either way, and the correction is left out.

ONNX's one rounding is `sqdmulh`, which cuts off, and `srshl`: nested floors are one, if the shift
is at least one. What shifts left is therefore shifted by one more, saturated, and back. Halves to
even cost more where a sum can meet one (`halves`); a bias finer than a step of the sum makes all
sums finer first.

Where a straight line has all steps of either rounding (`ramp`), it is two instructions and `addhn`;
where its constant can be in the bias too (`cut_line`), one and `shrn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.onnx import FRACTION_BITS
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.halves import Halves, corrected, fractions_of, halves_of
from edgemnv2.schedules.integer import live_shifts, rounds_to_the_right
from edgemnv2.schedules.neon.cut_line import CutLine, cut_line_of
from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.schedules.neon.ramp import MOST_FINE, Ramp, ramp_of
from edgemnv2.tir.builder import Builder, concat, constant, index, load, reinterpret, shuffle
from edgemnv2.tir.tiling import pack_columns

__all__ = ["Int8Epilogue", "Parameters", "pack_parameters"]

Expr = Any
Array = NDArray[Any]
_WELL_WITHIN = 32_000.0
"""Of int16, so that neither roundings nor an addend of less than a step count."""


@dataclass(frozen=True)
class Parameters:
    """Loaded requantisation constants of one panel, four channels in a vector."""

    bias: list[Expr]
    multiplier: list[Expr]
    shift: list[Expr]
    left: list[Expr]
    fraction: list[Expr] = field(default_factory=list)
    mask: list[Expr] = field(default_factory=list)
    residue: list[Expr] = field(default_factory=list)
    offset: list[Expr] = field(default_factory=list)


@dataclass(frozen=True)
class Int8Epilogue:
    """Requantise, add the zero point, clamp, store; `form` is how signs and shifts are treated.

    `form`: "ramp" and "cut" (straight lines, see `ramp` and `cut_line`), "relu" (clamp at or above
    the zero point), "right" (every shift at least one to the right), "zero" (shifts of nought too),
    "left" (left shifts too), "single" (rounded once, every shift at least one to the right), "even"
    (ONNX).
    """

    isa: Isa
    zero_point: int
    low: int
    high: int
    form: str
    has_left: bool
    fractions: Array | None = field(default=None, compare=False)
    halves: Halves | None = field(default=None, compare=False)
    short: bool = False
    """Whether no requantised sum leaves int16. Two vectors of them are narrowed by one `uzp1`, or,
    where that is slow (`units`), `addhn` rounds, adds the zero point and narrows in one."""
    ramp: Ramp | None = field(default=None, compare=False)
    cut_line: CutLine | None = field(default=None, compare=False)

    @staticmethod
    def of(
        isa: Isa,
        requantize: Requantize,
        zero_point: int,
        clamp: tuple[float, float],
        span: tuple[Array, Array],
        bias: Array | None = None,
    ) -> Int8Epilogue | None:
        """The cheapest exact epilogue for these factors and a `span` of sums, or None.

        `bias`: of the sums, where to add it costs an instruction; it may be `folded`.
        """
        if not rounds_to_the_right(requantize):
            return None
        low, high = int(clamp[0]), int(clamp[1])
        ramp = _ramp_of(isa, requantize, zero_point, (low, high), span, bias)
        if ramp is not None:
            return Int8Epilogue(isa, zero_point, low, high, "ramp", has_left=False, ramp=ramp)
        # Sums without dot products do not begin with their bias.
        cut = cut_line_of(requantize, zero_point, (low, high), span) if isa.dotprod else None
        if cut is not None:
            return Int8Epilogue(isa, zero_point, low, high, "cut", has_left=False, cut_line=cut)
        short = isa.arm64 and _is_short(requantize, span)
        if requantize.rounding == "even":
            fractions = fractions_of(requantize)
            if fractions is None:
                return None
            finer = FRACTION_BITS if fractions.any() else 0
            if max(-int(span[0].min()), int(span[1].max())) >= 1 << (31 - finer):
                return None
            has_left = bool((live_shifts(requantize) >= finer).any())
            halves = halves_of(requantize, span)
            form = "even"
            return Int8Epilogue(
                isa,
                zero_point,
                low,
                high,
                form,
                has_left,
                fractions if finer else None,
                halves,
                short and halves is None,
            )
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
        short = short and form in ("relu", "right")
        return Int8Epilogue(isa, zero_point, low, high, form, largest > 0, short=short)

    @property
    def rows(self) -> int:
        """int32 constants a channel in packed parameters."""
        if self.ramp is not None:
            return 2 if self.folded else 3
        if self.cut_line is not None:
            return 2
        return 3 + self.has_left + (self.fractions is not None) + 2 * (self.halves is not None)

    @property
    def is_line(self) -> bool:
        """Whether requantised values are int16 with their zero point."""
        return self.ramp is not None or self.cut_line is not None

    @property
    def folded(self) -> bool:
        """Whether sums need no bias: it is in what is added when they have been multiplied."""
        return self.ramp is not None and self.ramp.folded

    @property
    def units(self) -> int:
        """By how many bits sums are shifted less, so that the upper half of int32 is the result."""
        return 16 if self.short and not self.isa.unzips else 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What of this shapes the code."""
        if self.ramp is not None:
            return (self.form, self.low, self.high, self.ramp.up, self.folded, self.ramp.fine)
        if self.cut_line is not None:
            return (self.form, self.low, self.high, self.cut_line.down)
        key: tuple[Any, ...] = (self.zero_point, self.low, self.high, self.form, self.has_left)
        if self.short:
            key = (*key, "short", self.units)
        if self.form != "even":
            return key
        return (*key, self.fractions is not None, self.halves is not None)

    def load(self, k: Builder, packed: Any, at: Expr, channels: int) -> Parameters:
        """The constants of a panel of `channels` whose packed block begins at `at`."""
        groups = [
            [
                k.let(load(packed, at + (row * channels + i), "int32x4"))
                for i in range(0, channels, 4)
            ]
            for row in range(self.rows)
        ]
        if self.ramp is not None:
            bias = [] if self.folded else groups[0]
            return Parameters(bias, groups[-2], [], [], offset=groups[-1])
        if self.cut_line is not None:
            return Parameters(groups[0], groups[1], [], [])
        more = iter(groups[3:])
        left = next(more) if self.has_left else []
        fraction = [] if self.fractions is None else next(more)
        mask, residue = ([], []) if self.halves is None else more
        return Parameters(groups[0], groups[1], groups[2], left, fraction, mask, residue)

    def no_stride(self, k: Builder, packed: Any, at: Expr, channels: int) -> Expr:
        """Nought, as a distance from the bias of a pixel to that of the next.

        `sdot` adds to its first operand. Loaded once, a bias would be copied for every pixel, by
        the pipes that multiply; loaded anew it costs them nothing. That the sign of a multiplier
        is nought is what LLVM cannot know.
        """
        return k.let(load(packed, at + channels, "int32") >> index(31))

    def bias(self, k: Builder, packed: Any, at: Expr, number: int) -> Expr:
        """Bias of the channels `4 * number ..` of the panel whose block begins at `at`."""
        return load(packed, at + 4 * number, "int32x4")

    def rescale(self, k: Builder, acc: Expr, number: int, p: Parameters) -> Expr:
        """Four requantised channels, without zero point; times `2**units`, not rounded, if so.

        Those of a line are as they are: int16, with the zero point; of a ramp times `2**fine`.
        """
        if self.cut_line is not None:
            line = k.let(self.isa.sqdmulh32(acc, p.multiplier[number]))
            return k.let(self.isa.shrn32(line, self.cut_line.down))
        if self.ramp is not None:
            up = acc << constant(self.ramp.up, "int32", 4) if self.ramp.up else acc
            line = k.let(self.isa.sqdmulh32(k.let(up), p.multiplier[number]))
            return k.let(self.isa.addhn32(line, p.offset[number]))
        if self.form == "even":
            return self._rescale_to_even(k, acc, number, p)
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
        return k.let(self._shifted(x, p.shift[number]))

    def _shifted(self, x: Expr, shift: Expr) -> Expr:
        return self.isa.sshl32(x, shift) if self.units else self.isa.srshl32(x, shift)

    def _rescale_to_even(self, k: Builder, acc: Expr, number: int, p: Parameters) -> Expr:
        fine = acc
        if self.fractions is not None:
            finer = k.let(acc << constant(FRACTION_BITS, "int32", 4))
            fine = k.let(finer + p.fraction[number])
        if self.has_left:
            fine = k.let(self.isa.sqshl32(fine, p.left[number]))
        x = k.let(self.isa.sqdmulh32(fine, p.multiplier[number]))
        x = k.let(self._shifted(x, p.shift[number]))
        if self.halves is None:
            return x
        return corrected(k, x, acc, p.mask[number], p.residue[number], 4)

    def narrow(self, k: Builder, values: Sequence[Expr]) -> list[tuple[int, Expr]]:
        """`(lanes, int8 vector)` in channel order of the rescaled `values` (int32x4 each)."""
        isa = self.isa
        relu = self.form == "relu" or (self.form == "even" and self.low >= self.zero_point)
        unsigned = relu and self.zero_point == -128 and not self.units
        halves: list[Expr] = []
        for i in range(0, len(values), 2):
            both = k.let(self._short(values[i : i + 2]))
            if self.ramp is not None and self.ramp.fine:
                halves.append(isa.sqshrn16(both, self.ramp.fine))
            elif self.units or self.is_line:
                halves.append(isa.sqxtn16(both))
            elif unsigned:
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

    def _short(self, values: Sequence[Expr]) -> Expr:
        """int16x8 of one or two rescaled vectors; with the zero point, if there are `units`."""
        if self.is_line:
            narrow = list(values)
        elif self.short and not self.units and len(values) == 2:
            return self.isa.xtn32(values[0], values[1])
        elif self.units:
            # And half of a unit, to round.
            zero_point = constant((self.zero_point << 16) + (1 << 15), "int32", 4)
            narrow = [self.isa.addhn32(v, zero_point) for v in values]
        else:
            narrow = [self.isa.sqxtn32(v) for v in values]
        return concat(narrow if len(narrow) == 2 else [narrow[0], narrow[0]], 4)

    def store(self, k: Builder, out: Any, at: Expr, acc: Sequence[Expr], p: Parameters) -> None:
        """Requantise and store `4 * len(acc)` consecutive channels from `out[at]` on."""
        values = [self.rescale(k, a, i, p) for i, a in enumerate(acc)]
        done = 0
        for lanes, vector in self.narrow(k, values):
            if lanes % 8:
                whole = lanes // 8 * 8
                if whole:
                    k.store(out, at + done, shuffle([vector], range(whole)))
                k.store(out, at + (done + whole), _word(vector, whole // 4, lanes + 4))
            else:
                k.store(out, at + done, vector)
            done += lanes

    def store_rows(
        self, k: Builder, out: Any, rows: Sequence[tuple[Expr, Sequence[Expr]]], p: Parameters
    ) -> None:
        """`store` of one pixel's sums, or of two with four channels each, which share a vector."""
        if len(rows) == 1:
            (at, acc), *_ = rows
            self.store(k, out, at, acc, p)
            return
        values = [self.rescale(k, acc[0], 0, p) for _, acc in rows]
        ((_, both),) = self.narrow(k, values)
        for i, (at, _) in enumerate(rows):
            k.store(out, at, _word(both, i, 8))


def _word(vector: Expr, number: int, lanes: int) -> Expr:
    """Four of an int8 vector's `lanes`, taken as a word: LLVM takes bytes one by one."""
    words = reinterpret(vector, f"int32x{lanes // 4}")
    return reinterpret(shuffle([words], [number]), "int8x4")


def _ramp_of(
    isa: Isa,
    requantize: Requantize,
    zero_point: int,
    clamp: tuple[int, int],
    span: tuple[Array, Array],
    bias: Array | None,
) -> Ramp | None:
    """A straight line where it takes fewer operations.

    Beside a shift by lanes and `uzp1` it saves nothing but the bias, where it can take that in.
    """
    if requantize.rounding == "once":
        return None
    if requantize.rounding == "twice" and clamp[0] < zero_point:
        # Negative sums are rounded by another line than positive ones.
        return None
    if isa.unzips and bias is None:
        return None
    fine = MOST_FINE if isa.arm64 else 0
    ramp = ramp_of(requantize, zero_point, clamp, span, bias, fine)
    return None if ramp is None or (isa.unzips and not ramp.folded) else ramp


def _is_short(requantize: Requantize, span: tuple[Array, Array]) -> bool:
    """Whether all sums in `span` are well within int16 when they have been requantised."""
    live = np.asarray(requantize.multiplier) != 0
    shift = np.where(live, np.asarray(requantize.shift), 0).astype(np.float64)
    if (shift > 0).any():
        return False
    factor = np.asarray(requantize.multiplier, np.float64) * 2.0 ** (shift - 31)
    largest = np.maximum(np.abs(span[0]), np.abs(span[1])).astype(np.float64)
    addend = 0.0 if requantize.addend is None else 1.0
    return bool((largest * factor + addend < _WELL_WITHIN).all())


def pack_parameters(
    bias: Array, requantize: Requantize, panels: Sequence[tuple[int, int]], epilogue: Int8Epilogue
) -> Array:
    """int32 constants of the `(first channel, channels)` panels, block by block.

    A block is bias, multiplier, right shift (as a negative number) and, if needed, left shift,
    fraction of the bias, mask and residue of halves. Shifts are less by `units`. One of a ramp is
    bias, unless it is `folded`, multiplier and offset; one of a cut line bias and multiplier.
    """
    if epilogue.ramp is not None:
        ramp = epilogue.ramp
        line = [np.asarray(bias, np.int64) + ramp.added, ramp.multiplier, ramp.offset]
        table = np.stack(line[epilogue.folded :]).astype(np.int32)
        return pack_columns(table, list(panels))
    if epilogue.cut_line is not None:
        line = [np.asarray(bias, np.int64) + epilogue.cut_line.added, epilogue.cut_line.multiplier]
        return pack_columns(np.stack(line).astype(np.int32), list(panels))
    multiplier = np.asarray(requantize.multiplier, np.int32)
    shift = np.where(multiplier == 0, -1, np.asarray(requantize.shift)).astype(np.int32)
    if epilogue.form == "even":
        return pack_columns(_even_rows(bias, requantize, epilogue), list(panels))
    down = np.minimum(shift, 0) + epilogue.units
    rows = [np.asarray(bias, np.int64).astype(np.int32), multiplier, down]
    if epilogue.has_left:
        rows.append(np.maximum(shift, 0))
    table = np.stack(rows).astype(np.int32)
    return pack_columns(table, list(panels))


def _even_rows(bias: Array, requantize: Requantize, epilogue: Int8Epilogue) -> Array:
    """The rows of constants of the form "even"; every right shift is at least one."""
    finer = 0 if epilogue.fractions is None else FRACTION_BITS
    shift = np.where(requantize.multiplier == 0, -1, requantize.shift.astype(np.int64)) - finer
    rows = [
        np.asarray(bias, np.int64),
        requantize.multiplier,
        np.minimum(shift, -1) + epilogue.units,
    ]
    if epilogue.has_left:
        rows.append(np.maximum(shift + 1, 0))
    if epilogue.fractions is not None:
        rows.append(epilogue.fractions)
    if epilogue.halves is not None:
        rows += [epilogue.halves.mask, epilogue.halves.residue]
    return np.stack(rows).astype(np.int32)
