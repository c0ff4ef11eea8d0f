"""Requantisation by float64 in WebAssembly is the reference's, or it is not offered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.requantize import Requantize, Rounding
from edgemnv2.schedules.wasm import requantize as web
from edgemnv2.schedules.wasm.isa import NO_SIMD

CHANNELS = 64
SPAN = (np.full(CHANNELS, -(1 << 20)), np.full(CHANNELS, 1 << 20))


def factor(rounding: Rounding, seed: int, shifts: tuple[int, int] = (-12, -5)) -> Requantize:
    """Random factors, a dead channel and a power of two, which meets halves, among them."""
    rng = np.random.default_rng(seed)
    multiplier = rng.integers(1 << 30, 1 << 31, CHANNELS)
    multiplier[:2] = (0, 1 << 30)
    shift = rng.integers(*shifts, CHANNELS)
    shift[2] = -22
    return Requantize(multiplier.astype(np.int32), shift.astype(np.int32), rounding)


def epilogue(requantize: Requantize, clamp: tuple[int, int], zero_point: int) -> web.WebEpilogue:
    made = web.WebEpilogue.for_web(NO_SIMD, requantize, zero_point, clamp, SPAN)
    assert made is not None
    return made


@pytest.mark.parametrize("rounding", ["twice", "once", "even"])
@pytest.mark.parametrize(("clamp", "zero_point"), [((-128, 127), -128), ((-128, 127), 5)])
@pytest.mark.parametrize("seed", range(4))
def test_every_sum_is_rounded_as_the_reference_rounds(
    rounding: Rounding, clamp: tuple[int, int], zero_point: int, seed: int
) -> None:
    requantize = factor(rounding, seed)
    made = epilogue(requantize, clamp, zero_point)
    rng = np.random.default_rng(seed)
    # Small ones in full, larger ones at random, and both ends.
    acc = np.concatenate([np.arange(-5000, 5000), rng.integers(*(SPAN[0][0], SPAN[1][0]), 20000)])
    acc = np.concatenate([acc, [SPAN[0][0], SPAN[1][0]]])[:, None] + np.zeros(CHANNELS, np.int64)
    expected = np.clip(rescaled(acc, requantize) + zero_point, *clamp)
    assert np.array_equal(np.clip(made.channels(acc) + made.late, *clamp), expected)


def test_left_shifts_are_exact_where_nothing_wraps() -> None:
    requantize = factor("twice", 9, (-3, 3))
    channels = epilogue(requantize, (-128, 127), 5).channels
    acc = np.arange(-3000, 3000)[:, None] + np.zeros(CHANNELS, np.int64)
    expected = np.clip(rescaled(acc, requantize) + 5, -128, 127)
    assert np.array_equal(np.clip(channels(acc), -128, 127), expected)


def test_sums_that_the_reference_wraps_are_refused() -> None:
    requantize = factor("twice", 9, (12, 14))
    assert web.WebEpilogue.for_web(NO_SIMD, requantize, 5, (-128, 127), SPAN) is None


@pytest.mark.parametrize("off", [1 / 64, -1 / 64])
def test_a_form_that_is_off_by_less_than_a_step_is_noticed(
    off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = web._candidates
    monkeypatch.setattr(
        web,
        "_candidates",
        lambda *args: [replace(x, offset=x.offset + np.ldexp(off, x.places)) for x in right(*args)],
    )
    requantize = factor("twice", 1)
    assert web.WebEpilogue.for_web(NO_SIMD, requantize, -128, (-128, 127), SPAN) is None
    assert web.WebEpilogue.for_web(NO_SIMD, requantize, 5, (-128, 127), SPAN) is None
