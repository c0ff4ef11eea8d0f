"""ONNX's constants: factors, biases below a step, sums and means in 32 bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import rescaled, round_half_even
from edgemnv2.arithmetic.onnx import (
    add_rescale,
    mean_requantize,
    requantize_of,
    short_factor,
    with_real_bias,
)
from edgemnv2.model import QuantParams


def float32(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize("bits", [1, 5, 31, 62])
def test_halves_go_to_even(bits: int) -> None:
    half = 1 << (bits - 1)
    values = [n * 2 * half + offset for n in (-3, -2, -1, 0, 1) for offset in (half, half - 1)]
    values = [v for v in values if abs(v) < 1 << 62]
    wanted = [round(Fraction(v, 1 << bits)) for v in values]
    assert round_half_even(np.array(values), bits).tolist() == wanted


def test_factors_that_are_exact_stay_so_and_others_are_odd() -> None:
    factor = requantize_of([Fraction(3, 512), Fraction(1, 3), Fraction(0)])
    exact = Fraction(int(factor.multiplier[0])) * Fraction(2) ** (int(factor.shift[0]) - 31)
    assert exact == Fraction(3, 512)
    assert factor.multiplier[1] % 2 == 1
    assert factor.multiplier[2] == 0


@pytest.mark.parametrize("seed", range(30))
def test_sums_round_as_real_numbers_in_32_bits(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (QuantParams(float32(np.exp(random.uniform(-3, 1))), int(z)) for z in (-128, 5))
    y = QuantParams(float32(np.hypot(a.scale, b.scale) * random.uniform(0.8, 1.4)), 3)
    first, second = add_rescale(a, b, y, ("int8", "int8"))
    one, two = np.arange(-128, 128) - a.zero_point, np.arange(-128, 128) - b.zero_point
    total = one[:, None] * int(first.multiplier[0]) + two[None, :] * int(second.multiplier[0])
    total = total + (0 if first.addend is None else first.addend)
    assert np.abs(total).max() < 1 << 31
    ours = round_half_even(total, 31 - int(first.shift[0]))
    real = (one[:, None] * a.scale + two[None, :] * b.scale) / y.scale
    wrong = np.clip(ours, -256, 256) != np.clip(np.rint(real), -256, 256)
    # But where float32 itself cannot tell which.
    distance = np.abs(real - np.floor(real) - 0.5)
    assert (distance[wrong] <= 2.0**-23 * 512).all()
    assert wrong.sum() <= 1


@pytest.mark.parametrize("seed", range(20))
def test_short_means_give_what_the_factor_gives(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = QuantParams(float32(random.uniform(0.01, 0.1)), int(random.integers(-128, 128)))
    y = QuantParams(float32(x.scale * random.uniform(0.3, 1.2)), 0)
    count = int(random.choice([9, 16, 36, 49]))
    factor = mean_requantize(x, y, count)
    ends = count * (-128 - x.zero_point), count * (127 - x.zero_point)
    short = short_factor(factor, *ends)
    if short is None:
        return
    multiplier, addend, bits = short
    sums = np.arange(ends[0], ends[1] + 1)
    products = sums * multiplier + addend
    assert np.abs(products).max() < 1 << 31
    wanted = np.clip(rescaled(sums, factor), -256, 256)
    assert (np.clip(products >> bits, -256, 256) == wanted).all()


def test_most_means_are_short() -> None:
    random = np.random.default_rng(1)
    found = 0
    for _ in range(50):
        x = QuantParams(float32(random.uniform(0.01, 0.1)), -128)
        y = QuantParams(float32(x.scale * random.uniform(0.3, 1.2)), -128)
        found += short_factor(mean_requantize(x, y, 9), 0, 9 * 255) is not None
    assert found >= 40


def test_a_bias_beyond_int32_is_in_the_addend_or_makes_a_constant() -> None:
    y = QuantParams(0.05, 0)
    weight = np.full((4, 3), 100, np.int8)
    # A dead channel, one of tiny weights, one that is as it should be.
    step = np.array([0.0, 1e-12, 1e-3])
    scales = [Fraction(s) / Fraction(0.05) for s in step]
    bias = np.array([1.3, -2.07, 0.0333])
    stored, weights, factor = with_real_bias(
        requantize_of(scales), bias, step, y, weight, largest_input=255
    )
    sums = np.array([[-255 * 400] * 3, [255 * 400] * 3]) * (weights[0] != 0) + stored
    outputs = rescaled(sums, factor)
    assert outputs[:, 0].tolist() == [26, 26]
    assert outputs[:, 1].tolist() == [-41, -41]
    real = (np.array([-1, 1]) * 255 * 400 * 1e-3 + 0.0333) / 0.05
    assert outputs[:, 2].tolist() == np.rint(real).tolist()
