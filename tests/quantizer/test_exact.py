"""Layers with these scales round as real numbers do: whoever simulates in floats gets our bytes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.tflite import (
    add_rescale,
    clamp_limits,
    convolution_requantize,
    dense_requantize,
    mean_requantize,
)
from edgemnv2.model import QuantParams
from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.quantizer.exact import (
    LARGEST_FACTOR,
    add_target,
    exact_scale,
    pool_targets,
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


def tensor(name: str, quant: QuantParams, size: int = 7) -> Tensor:
    return Tensor(name, size, size, 1, "int8", quant)


@pytest.mark.parametrize("seed", range(6))
def test_all_pairs_of_bytes_sum_as_float32_sums(seed):
    rng = np.random.default_rng(seed)
    a, b, y = (
        QuantParams(float(np.float32(rng.uniform(0.01, 0.1))), int(rng.integers(-60, 60)))
        for _ in range(3)
    )
    layer = Add("add", ("a", "b"), "y", clamp=UNBOUNDED)
    sources, target = (tensor("a", a), tensor("b", b)), tensor("y", y)
    quant = add_target(layer, sources, target)
    assert y.scale <= quant.scale <= 1.02 * y.scale
    bytes_a, bytes_b = np.meshgrid(*[np.arange(-128, 128, dtype=np.int8)] * 2)
    bytes_a, bytes_b = bytes_a.reshape(1, 256, 256, 1), bytes_b.reshape(1, 256, 256, 1)
    integer = replace(
        layer,
        clamp=clamp_limits(UNBOUNDED, quant, "int8"),
        left_shift=20,
        rescale=add_rescale(a, b, quant),
    )
    ours = add_reference.add(integer, bytes_a, bytes_b, sources, replace(target, quant=quant))
    real = [
        (x.astype(np.float32) - np.float32(q.zero_point)) * np.float32(q.scale)
        for x, q in ((bytes_a, a), (bytes_b, b))
    ]
    theirs = np.rint((real[0] + real[1]) / np.float32(quant.scale)) + quant.zero_point
    np.testing.assert_array_equal(ours, np.clip(theirs, -128, 127))


@pytest.mark.parametrize(
    ("size", "ratio"), [(3, 0.9), (4, 0.3), (4, 0.9), (5, 0.55), (7, 0.3), (7, 0.55), (7, 0.9)]
)
def test_the_mean_of_every_map_rounds_as_the_float_mean(size, ratio):
    x = QuantParams(float(np.float32(6 / 255)), -128)
    wanted = QuantParams(x.scale * ratio, -128)
    layer = GlobalAveragePool("pool", ("x",), "y", clamp=UNBOUNDED)
    found = list(pool_targets(layer, tensor("x", x, size), wanted))
    assert found
    count = size * size
    sums = np.arange(255 * count + 1, dtype=np.int64)
    for quant in found:
        assert wanted.scale / 1.6 < quant.scale < 1.6 * wanted.scale
        factor = mean_requantize(x, quant, count)
        ours = multiply_by_quantized_multiplier(sums, factor.multiplier, factor.shift)
        exact = sums * (x.scale / (count * quant.scale))
        inside = exact < 255
        np.testing.assert_array_equal(ours[inside], np.rint(exact[inside]))
        # A tie is far enough above one half for float32 to see it, relative to its size.
        distance = np.abs(exact % 1 - 0.5)[inside & (sums > 0)] / exact[inside & (sums > 0)]
        assert distance.min() > 5e-7
