"""Straight lines for requantisation have every step of the reference, whatever the factors."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from edgemnv2.arithmetic.requantize import Requantize, Rounding
from edgemnv2.schedules.neon.cut_line import CutLine, cut_line_of
from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.schedules.neon.ramp import MOST_FINE, Ramp, first_sums, ramp_of
from edgemnv2.schedules.neon.requantize import Int8Epilogue, pack_parameters

Array = Any
CHANNELS = 8
CLAMPS = ((-128, 127, -128), (-100, 90, -100), (-5, -4, -20), (0, 127, -7))
"""Ends of a clamp and a zero point at or below them, as ReLU's are."""


def _gemmlowp(sums: Array, factor: Requantize) -> Array:
    """Two roundings as gemmlowp writes them: a nudge and a division towards nought, then a mask."""
    product = sums * factor.multiplier.astype(np.int64)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(nudged) * (np.abs(nudged) >> 31)
    exponent = -factor.shift.astype(np.int64)
    mask = (np.int64(1) << exponent) - 1
    return (high >> exponent) + ((high & mask) > (mask >> 1) + (high < 0))


def _half_to_even(sums: Array, factor: Requantize) -> Array:
    addend = np.zeros(CHANNELS, np.int64) if factor.addend is None else factor.addend
    product = sums * factor.multiplier.astype(np.int64) + addend
    divisor = np.int64(1) << (31 - factor.shift.astype(np.int64))
    whole, rest = np.divmod(product, divisor)
    return whole + ((2 * rest > divisor) | ((2 * rest == divisor) & (whole % 2 == 1)))


REFERENCES = {"twice": _gemmlowp, "even": _half_to_even}


def _line(sums: Array, ramp: Ramp, bias: Array) -> Array:
    """What the instructions do: `shl`, `sqdmulh`, `addhn`, `sqshrn`; 32 bits, which wrap."""
    acc = (sums - bias if ramp.folded else sums + ramp.added).astype(np.int32)
    shifted = (acc.astype(np.int64) << ramp.up).astype(np.int32)
    doubled = 2 * shifted.astype(object) * ramp.multiplier.astype(object) >> 32
    total = doubled.astype(np.int64) + ramp.offset
    return np.clip(total.astype(np.int32) >> 16 >> ramp.fine, -128, 127)


def _case(seed: int, shift: int, rounding: Rounding) -> tuple[Requantize, Any, Array]:
    """Factors of about `2**-shift`, the span of their sums, their biases; edges among them."""
    random = np.random.default_rng(seed)
    multiplier = random.integers(1 << 30, 1 << 31, CHANNELS)
    # The ends of the range, a dead channel, powers of two, whose sums meet halves.
    edges = (1 << 30, (1 << 31) - 1, 0, (1 << 30) + 1)
    places = random.permutation(CHANNELS)[: random.integers(0, 4)]
    multiplier[places] = random.choice(edges, places.size)
    shifts = -np.maximum(0, shift + random.integers(0, 3, CHANNELS))
    addend = None
    if rounding == "even" and seed % 2:
        addend = random.integers(0, 1 << 29, CHANNELS) * (multiplier > 0)
    factor = Requantize(
        multiplier.astype(np.int32), shifts.astype(np.int32), rounding=rounding, addend=addend
    )
    # About the range of the outputs, to far beyond it.
    reach = np.int64(300 << shift) * random.integers(1, 12)
    bias = random.integers(-reach // 4 - 1, reach // 4 + 2, CHANNELS)
    low = bias - random.integers(reach // 8, reach // 2 + 2, CHANNELS)
    return factor, (low, low + reach), bias


def _sums(span: tuple[Array, Array], steps: Array, seed: int) -> Array:
    """All sums of small spans; of large ones the ends, about each step, and some at random."""
    low, high = span
    if int((high - low).max()) < 1 << 12:
        return np.minimum(low + np.arange((high - low).max() + 1)[:, None], high)
    about = np.concatenate([steps + i for i in (-2, -1, 0, 1)])
    some = np.random.default_rng(seed).integers(low, high + 1, (500, CHANNELS))
    return np.clip(np.concatenate([about, some, [low, high]]), low, high)


@pytest.mark.parametrize("rounding", ["twice", "even"])
@pytest.mark.parametrize("shift", range(16))
def test_a_line_gives_the_bytes_of_the_reference(shift: int, rounding: Rounding) -> None:
    """Over factors, spans, clamps and zero points: bias apart or taken in, finer than 16 bits."""
    lines = folded = 0
    fines: set[int] = set()
    for seed in range(6):
        factor, span, bias = _case(100 * shift + seed, shift, rounding)
        low, high, zero = CLAMPS[seed % len(CLAMPS)]
        steps = np.arange(low + 1, high + 1) - zero
        for own, most_fine in product((None, bias), (0, MOST_FINE)):
            ramp = ramp_of(factor, zero, (low, high), span, own, most_fine)
            if ramp is None:
                continue
            assert ramp.fine <= most_fine
            fines.add(ramp.fine)
            lines += 1
            folded += ramp.folded
            assert (ramp.added == 0).all() or not ramp.folded
            first = first_sums(factor, steps, span)
            assert first is not None
            sums = _sums(span, first, seed)
            expected = np.clip(REFERENCES[rounding](sums, factor) + zero, low, high)
            made = np.clip(_line(sums, ramp, bias), low, high)
            np.testing.assert_array_equal(made, expected)
    if 1 <= shift <= 10:
        assert lines > folded > 0, "no line was tried"
        assert len(fines) > 1, "all lines are equally fine"


def _at_all_steps(factor: Requantize, span: Any) -> tuple[Any, Any]:
    """Sums around every step of a ReLU layer, and what the reference makes of them."""
    sums = _sums(span, first_sums(factor, np.arange(1, 256), span), 0)
    return sums, np.clip(_gemmlowp(sums, factor) - 128, -128, 127)


def test_another_offset_is_seen() -> None:
    """The check above can fail: a step further up or down is another line."""
    factor, span, bias = _case(808, 8, "twice")
    ramp = ramp_of(factor, -128, (-128, 127), span)
    assert ramp is not None
    sums, expected = _at_all_steps(factor, span)
    for unit in (-(1 << 9), 1 << 9):
        other = Ramp(ramp.up, ramp.multiplier, ramp.offset + unit, ramp.added, False, 0)
        assert (_line(sums, other, bias) != expected).any()


def _even_factor(shift: int) -> Requantize:
    multiplier = np.full(CHANNELS, (1 << 30) + 12345, np.int32)
    return Requantize(multiplier, np.full(CHANNELS, shift, np.int32), rounding="twice")


@pytest.mark.parametrize(
    ("shift", "reach"),
    [(1, 1000), (-8, 1 << 24), (-24, 1 << 30)],
    ids=["to the left", "sums that would wrap", "steps of less than a unit"],
)
def test_there_is_no_line(shift: int, reach: int) -> None:
    """And the epilogue says so: it takes another form."""
    factor = _even_factor(shift)
    span = (np.full(CHANNELS, -reach), np.full(CHANNELS, reach))
    assert ramp_of(factor, -128, (-128, 127), span) is None
    epilogue = Int8Epilogue.of(Isa(arm64=True), factor, -128, (-128, 127), span)
    assert epilogue is not None and epilogue.form != "ramp"


def test_negative_outputs_of_two_roundings_are_on_another_line() -> None:
    """Halves go away from zero: a line is for clamps at or above the zero point."""
    span = (np.full(CHANNELS, -70_000), np.full(CHANNELS, 70_000))
    isa = Isa(arm64=True)
    forms = []
    for zero in (-128, 0):
        epilogue = Int8Epilogue.of(isa, _even_factor(-8), zero, (-128, 127), span)
        assert epilogue is not None
        forms.append(epilogue.form)
    assert forms == ["ramp", "right"]


def test_a_core_with_unzips_takes_lines_for_the_bias_alone() -> None:
    """Packed parameters are a bias less, and the code says so in its name."""
    factor, span, bias = _case(606, 6, "twice")
    isa = Isa(arm64=True, unzips=True)
    apart = Int8Epilogue.of(isa, factor, -128, (-128, 127), span)
    taken = Int8Epilogue.of(isa, factor, -128, (-128, 127), span, bias)
    assert apart is not None and taken is not None
    assert (apart.form, taken.form) == ("relu", "ramp") and taken.folded
    assert apart.key != taken.key
    sizes = [pack_parameters(bias, factor, [(0, CHANNELS)], e).size for e in (apart, taken)]
    assert sizes == [3 * CHANNELS, 2 * CHANNELS]


def _cut(sums: Array, line: CutLine) -> Array:
    """What the instructions do: a sum that begins with more, `sqdmulh`, `shrn`, `sqxtn`."""
    acc = (sums + line.added).astype(np.int32)
    # 63 bits: the doubled product is of 64, and no two factors are both the least int32.
    product = acc.astype(np.int64) * line.multiplier >> 31
    narrowed = (product >> line.down).astype(np.int16)
    return np.clip(narrowed, -128, 127)


@pytest.mark.parametrize("rounding", ["twice", "even"])
@pytest.mark.parametrize("shift", range(1, 14, 2))
def test_a_line_in_the_bias_gives_the_bytes_of_the_reference(
    shift: int, rounding: Rounding
) -> None:
    """Over factors, spans, clamps and zero points; sums with what is added stay in int32."""
    lines = 0
    for seed in range(8):
        factor, span, _ = _case(200 * shift + seed, shift, rounding)
        low, high, zero = CLAMPS[seed % len(CLAMPS)]
        line = cut_line_of(factor, zero, (low, high), span)
        if line is None:
            continue
        lines += 1
        for end in span:
            assert np.abs(end + line.added).max() < 1 << 31
        first = first_sums(factor, np.arange(low + 1, high + 1) - zero, span)
        assert first is not None
        sums = _sums(span, first, seed)
        expected = np.clip(REFERENCES[rounding](sums, factor) + zero, low, high)
        np.testing.assert_array_equal(np.clip(_cut(sums, line), low, high), expected)
    if 3 <= shift <= 9:
        assert lines > 0, "no line was tried"


def test_other_numbers_of_a_line_in_the_bias_are_seen() -> None:
    """The check above can fail: one unit more in the bias or in the shift is another line."""
    factor, span, _ = _case(808, 8, "twice")
    line = cut_line_of(factor, -128, (-128, 127), span)
    assert line is not None
    sums, expected = _at_all_steps(factor, span)
    assert (_cut(sums, line) == expected).all()
    for other in (
        CutLine(line.down, line.multiplier, line.added + 1),
        CutLine(line.down, line.multiplier, line.added - 1),
        CutLine(line.down + 1, line.multiplier, line.added),
    ):
        assert (_cut(sums, other) != expected).any()


def test_factors_far_apart_have_no_line_in_the_bias() -> None:
    """The smallest of them would be left with too few bits; the epilogue takes another form."""
    shift = np.linspace(-4, -20, CHANNELS).astype(np.int32)
    factor = Requantize(_even_factor(-4).multiplier, shift, rounding="twice")
    span = (np.full(CHANNELS, -70_000), np.full(CHANNELS, 70_000))
    assert cut_line_of(factor, -128, (-128, 127), span) is None
    isa = Isa(arm64=True, dotprod=True, unzips=True)
    epilogue = Int8Epilogue.of(isa, factor, -128, (-128, 127), span)
    assert epilogue is not None and epilogue.form == "relu"


def test_dot_products_take_lines_in_the_bias() -> None:
    """Other cores do not: they would add it. Packed parameters are bias and multiplier."""
    factor, span, bias = _case(606, 6, "twice")
    forms = []
    for dots in (False, True):
        isa = Isa(arm64=True, dotprod=dots, unzips=True)
        epilogue = Int8Epilogue.of(isa, factor, -128, (-128, 127), span)
        assert epilogue is not None
        forms.append(epilogue.form)
        size = pack_parameters(bias, factor, [(0, CHANNELS)], epilogue).size
        assert size == epilogue.rows * CHANNELS
    assert forms == ["relu", "cut"] and epilogue.rows == 2
