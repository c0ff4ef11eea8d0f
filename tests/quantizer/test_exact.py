"""Layers with these scales round as real numbers do: whoever simulates in floats gets our bytes."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.tflite import (
    convolution_requantize,
    dense_requantize,
)
from edgemnv2.model import QuantParams
from edgemnv2.quantizer.exact import (
    LARGEST_FACTOR,
    exact_scale,
)

SOURCE, TARGET = (
    QuantParams(float(np.float32(0.0235)), -128),
    QuantParams(float(np.float32(0.017)), 5),
)
UNBOUNDED = (-np.inf, np.inf)
DISTANCE = 0.4
"""Of an accumulator: how far thresholds stay from every one, at least."""


def wanted_scales() -> np.ndarray:
    rng = np.random.default_rng(1)
    factors = LARGEST_FACTOR / np.exp(rng.uniform(0, 9, 40))
    # Just above and below powers of two, where the lift is at its bounds.
    near = [2.0**-k * (1 + e) for k in range(4, 13) for e in (-1e-3, -1e-9, 0, 1e-9, 1e-3)]
    factors = np.concatenate([factors, np.minimum(near, LARGEST_FACTOR)])
    return factors * TARGET.scale / SOURCE.scale


@pytest.mark.parametrize("rounding", ["positive", "once"])
def test_one_and_two_roundings_are_the_same_for_every_accumulator(rounding):
    scale = exact_scale(wanted_scales(), SOURCE, TARGET, rounding)
    assert (scale >= wanted_scales() * (1 - 1e-6)).all()
    zero_point = TARGET.zero_point
    low = zero_point if rounding == "positive" else -128
    make = dense_requantize if rounding == "once" else convolution_requantize
    factor = make(SOURCE, scale, TARGET, len(scale))
    assert (factor.shift <= -1).all()
    # The first of two roundings lifts sums by up to one: taken off before.
    lifted = [int(rounding == "positive")] * len(scale)
    for channel, step in enumerate(scale.astype(np.float64)):
        real = SOURCE.scale * step / TARGET.scale
        reach = int(140 / real)
        accumulators = np.arange(-reach, reach + 1, dtype=np.int64)
        exact = accumulators * real
        shift, multiplier = factor.shift[channel], factor.multiplier[channel]
        if rounding == "once":
            bits = 31 - int(shift)
            ours = np.abs(accumulators) * int(multiplier) + (1 << (bits - 1)) >> bits
            ours *= np.sign(accumulators)
        else:
            ours = multiply_by_quantized_multiplier(
                accumulators - lifted[channel], multiplier, shift
            )
        ours = np.clip(ours + zero_point, low, 127)
        np.testing.assert_array_equal(ours, np.clip(np.rint(exact) + zero_point, low, 127))
        # Float32's errors cannot carry one across a threshold.
        visible = (ours > low) & (ours < 127)
        distance = np.abs(np.abs(exact % 1) - 0.5)[visible] / real
        assert distance.size == 0 or distance.min() > DISTANCE


def test_factors_that_are_too_large_are_a_bug_of_the_caller():
    with pytest.raises(AssertionError, match=r"above 0\.33"):
        exact_scale(np.array([TARGET.scale / SOURCE.scale / 2]), SOURCE, TARGET, "once")
