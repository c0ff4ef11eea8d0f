"""The one-multiplication requantisation equals TFLite's for every accumulator that can occur."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.dsp.requantize import (
    COMMON_SHIFT,
    Channels,
    channels_of,
    common_shift,
    reachable,
    room_bits,
)

CHANNELS = 6


def by_definition(
    accumulator: np.ndarray, factor: Requantize, zero_point: int, clamp: tuple[int, int]
) -> np.ndarray:
    multiplier = factor.multiplier.astype(np.int64)
    if factor.single_rounding:
        right = 31 - factor.shift.astype(np.int64)
        product = accumulator * multiplier
        rescaled = (product + (np.int64(1) << (right - 1)) - (product < 0)) >> right
    else:
        rescaled = multiply_by_quantized_multiplier(accumulator, multiplier, factor.shift)
    return np.clip(rescaled + zero_point, *clamp)


def as_the_kernels_do(
    accumulator: np.ndarray,
    words: Channels,
    scale_bits: int | np.ndarray,
    clamp: tuple[int, int],
) -> np.ndarray:
    """int64 in place of the kernels' int32; nothing may leave 32 bits on the way."""
    reduced = np.where(words.constant, 0, accumulator - words.bias_in_offset)
    scaled = reduced << scale_bits
    assert abs(scaled).max() < 1 << 31
    fix = np.where(scaled < 0, np.int64(1) << (scale_bits - 1), 0) if words.sign_fix else 0
    total = (scaled * words.multiplier.astype(np.int64) >> 32) + words.offset - fix
    assert abs(total).max() < 1 << 31
    return np.clip(np.clip(total >> words.shift, -128, 127), *clamp)


@pytest.mark.parametrize("seed", range(40))
def test_every_accumulator_gives_tflites_output(seed: int) -> None:
    rng = np.random.default_rng(seed)
    right = rng.integers(1, 24, CHANNELS) if seed % 2 else rng.integers(-4, 10, CHANNELS)
    multiplier = rng.integers(1 << 30, 1 << 31, CHANNELS)
    if seed % 3 == 0:
        # Powers of two meet the halves that round away from zero.
        multiplier = np.where(rng.random(CHANNELS) < 0.7, 1 << 30, multiplier)
    factor = Requantize(
        multiplier.astype(np.int32), -right.astype(np.int32), "once" if seed % 5 == 0 else "twice"
    )
    extent = int(2 ** rng.integers(9, 18))
    bias = (rng.uniform(-1, 1, CHANNELS) * 2.0 ** (right + 7)).astype(np.int64)
    bias = np.where(right > 13, np.clip(bias, -(1 << 30), 1 << 30), 0)
    zero_point = int(rng.integers(-128, 128))
    clamp = [(-128, 127), (zero_point, 127), (max(-128, zero_point - 20), min(127, zero_point + 9))]
    limits = clamp[seed % 3]
    for scale_bits in (8, 7):
        words = channels_of(factor, (bias - extent, bias + extent), zero_point, limits, scale_bits)
        assert words is not None
        accumulator = np.arange(-extent, extent + 1)[:, None] + bias
        np.testing.assert_array_equal(
            as_the_kernels_do(accumulator, words, scale_bits, limits),
            by_definition(accumulator, factor, zero_point, limits),
        )


def test_sums_beyond_the_scaled_range_are_declined() -> None:
    factor = Requantize(np.array([1 << 30], np.int32), np.array([-8], np.int32))
    fits = (np.array([-(1 << 22)]), np.array([(1 << 23) - 1]))
    beyond = (np.array([-(1 << 23)]), np.array([1 << 23]))
    assert channels_of(factor, fits, 0, (-128, 127)) is not None
    assert channels_of(factor, beyond, 0, (-128, 127)) is None
    assert channels_of(factor, beyond, 0, (-128, 127), scale_bits=6) is not None


def test_large_left_shifts_are_declined() -> None:
    factor = Requantize(np.array([1 << 30], np.int32), np.array([9], np.int32))
    assert channels_of(factor, (np.array([-5]), np.array([5])), 0, (-128, 127)) is None


def test_reachable_accumulators_are_those_of_extreme_inputs() -> None:
    rng = np.random.default_rng(1)
    weight = rng.integers(-127, 128, (7, 3)).astype(np.int8)
    bias = rng.integers(-99, 99, 3)
    low, high = reachable(weight, bias, -5)
    inputs = np.where(rng.random((4000, 7)) < 0.5, -128, 127)
    sums = (inputs + 5) @ weight.astype(np.int64) + bias
    np.testing.assert_array_equal(sums.min(axis=0), low)
    np.testing.assert_array_equal(sums.max(axis=0), high)


@pytest.mark.parametrize("rounding", ["twice", "once", "even"])
@pytest.mark.parametrize("seed", range(8))
def test_one_shift_for_all_channels_gives_the_same_outputs(seed: int, rounding: str) -> None:
    rng = np.random.default_rng(seed)
    right = rng.integers(COMMON_SHIFT - 7, COMMON_SHIFT, CHANNELS)
    # Odd, so that no sum meets a half, which needs other kernels.
    multiplier = rng.integers(1 << 29, 1 << 30, CHANNELS) * 2 + 1
    multiplier[seed % CHANNELS] = 0
    factor = Requantize(multiplier.astype(np.int32), -right.astype(np.int32), rounding)
    extent = 1 << 15
    bias = rng.integers(-extent, extent, CHANNELS)
    zero_point = -128
    span = bias - extent, bias + extent
    found = common_shift(factor, span, zero_point, (-128, 127), 8)
    assert found is not None
    words, bits = found
    assert set(words.shift) == {COMMON_SHIFT} and not words.sign_fix
    accumulator = np.arange(-extent, extent + 1)[:, None] + bias
    expected = channels_of(factor, span, zero_point, (-128, 127))
    assert expected is not None
    np.testing.assert_array_equal(
        as_the_kernels_do(accumulator, words, bits, (-128, 127)),
        as_the_kernels_do(accumulator, expected, 8, (-128, 127)),
    )
    if rounding != "even":
        np.testing.assert_array_equal(
            as_the_kernels_do(accumulator, words, bits, (-128, 127)),
            by_definition(accumulator, factor, zero_point, (-128, 127)),
        )


@pytest.mark.parametrize(
    ("right", "zero_point", "bits"),
    [
        (COMMON_SHIFT, -128, 8),  # a scale of 2: below the half of the first rounding
        (COMMON_SHIFT - 8, -128, 8),  # a scale that the weights have no room for
        (COMMON_SHIFT - 7, -128, 7),
        (COMMON_SHIFT - 4, 0, 8),  # halves that round away from zero
    ],
)
def test_one_shift_is_declined_where_a_channel_needs_more(
    right: int, zero_point: int, bits: int
) -> None:
    factor = Requantize(np.array([1 << 30], np.int32), np.array([-right], np.int32))
    span = np.array([-100_000]), np.array([100_000])
    assert common_shift(factor, span, zero_point, (-128, 127), bits) is None


def test_fine_biases_of_constant_channels_alone_are_no_crash() -> None:
    """Biases are finer than a step where nothing depends on the input: dead channels of QDQ."""
    multiplier = np.array([1 << 30, (1 << 30) + 1], np.int32)
    addend = np.array([1 << 22, 0], np.int64)
    factor = Requantize(multiplier, np.array([-6, -6], np.int32), "even", addend)
    span = (np.array([0, -900]), np.array([0, 900]))
    words = channels_of(factor, span, 3, (-128, 127))
    assert (
        words is not None and not words.has_fractions and words.constant.tolist() == [True, False]
    )
    assert common_shift(factor, span, 3, (-128, 127), 8) is None


def test_weights_fit_under_their_scale() -> None:
    for low, high, bits in ((-128, 127, 8), (-127, 128, 7), (-255, 3, 7), (0, 256, 6)):
        weight = np.array([low, high], np.int16)
        assert room_bits(weight) == bits
        assert abs(weight.astype(np.int64) << bits).max() <= 1 << 15
