"""Biases finer than a step of the sum on MVE: one rounding, as ONNX has it."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.onnx import FRACTION_BITS
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.mve.requantize import channels_of

CHANNELS = 24
MOST = (1 << 31 - FRACTION_BITS) - 2
"""Of a sum that 32 bits hold in the steps of its bias."""


def factor_of(seed: int) -> Requantize:
    random = np.random.default_rng(seed)
    multiplier = random.integers(1 << 30, 1 << 31, CHANNELS) | 1
    multiplier[::7] = 0
    parts = random.integers(0, 1 << FRACTION_BITS, CHANNELS)
    shift = random.integers(-14, 0, CHANNELS).astype(np.int32)
    return Requantize(
        multiplier.astype(np.int32), shift, "even", (parts * multiplier) >> FRACTION_BITS
    )


def spans(most: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full(CHANNELS, -most), np.full(CHANNELS, most)


@pytest.mark.parametrize("seed", range(12))
def test_the_words_compute_what_the_standard_says(seed: int) -> None:
    """VADD, VQDMULH and VRSHL as Arm defines them, on random sums and around every step."""
    factor = factor_of(seed)
    channels = channels_of(factor, 0, (-128, 127), spans(1 << 20))
    assert channels is not None and channels.kind == "FINE"
    bias, multiplier, shift = channels.words(np.zeros(CHANNELS, np.int32)).astype(np.int64).T
    steps = (np.arange(-130, 131)[:, np.newaxis] * 2 - 1) * 2.0 ** (30 - factor.shift)
    near = np.round(steps / np.maximum(factor.multiplier, 1)).astype(np.int64)
    drawn = np.random.default_rng(seed).integers(-(1 << 20), 1 << 20, (500, CHANNELS))
    sums = np.concatenate([drawn, *(near + by for by in (-2, -1, 0, 1))])
    sums = np.clip(sums, -(1 << 20), 1 << 20)
    high = (((sums << FRACTION_BITS) + bias) * multiplier) >> 31
    found = (high + (np.int64(1) << (-shift - 1))) >> -shift
    np.testing.assert_array_equal(found, rescaled(sums, factor))


def test_sums_that_32_bits_do_not_hold_are_left_to_others() -> None:
    factor = factor_of(0)
    assert channels_of(factor, 0, (-128, 127), spans(MOST)) is not None
    assert channels_of(factor, 0, (-128, 127), spans(MOST + 1)) is None


def test_an_addend_that_is_no_fraction_of_a_step_is_left_to_others() -> None:
    factor = factor_of(1)
    whole = Requantize(
        factor.multiplier, factor.shift, "even", factor.multiplier.astype(np.int64) * 3
    )
    assert channels_of(whole, 0, (-128, 127), spans(1 << 20)) is None
