"""The vectorised fixed-point primitives equal C's arithmetic, term by term."""

from __future__ import annotations

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import (
    make_requantize,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

EDGES = [0, 1, -1, 2, -2, 2**30, -(2**30), 2**31 - 1, -(2**31), -(2**31) + 1, 12345, -98765]


def c_high_mul(a: int, b: int) -> int:
    """gemmlowp, with C's truncating division."""
    if a == b == -(2**31):
        return 2**31 - 1
    product = a * b
    total = product + (2**30 if product >= 0 else 1 - 2**30)
    return abs(total) // 2**31 * (1 if total >= 0 else -1)


def test_high_mul_equals_c():
    rng = np.random.default_rng(0)
    values = EDGES + rng.integers(-(2**31), 2**31, 60).tolist()
    # Products that end in exactly half.
    values += [2**15, -(2**15), 2**16, 3 * 2**15]
    a, b = np.meshgrid(np.array(values, np.int64), np.array(values, np.int64))
    result = saturating_rounding_doubling_high_mul(a, b)
    expected = [c_high_mul(int(x), int(y)) for x, y in zip(a.flat, b.flat, strict=True)]
    assert result.reshape(-1).tolist() == expected


@pytest.mark.parametrize("exponent", [0, 1, 2, 7, 30, 31])
def test_divide_by_pot_rounds_halves_away_from_zero(exponent):
    values = np.array([*EDGES, 3, -3, 5, -5, 6, -6, 10, -10], np.int64)
    half = 2**exponent // 2
    expected = [(abs(int(x)) + half) // 2**exponent * (1 if x >= 0 else -1) for x in values]
    assert rounding_divide_by_pot(values, exponent).tolist() == expected


@pytest.mark.parametrize("real", [1.0, 0.5, 0.25, 0.9999999999, 1.7, 1e-6, 3e-10, 123.0])
def test_a_multiplier_is_within_its_last_bit(real):
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(real, rel=2**-30)


def test_multipliers_at_the_ends():
    assert quantize_multiplier(0.0) == (0, 0)
    assert quantize_multiplier(1e-12) == (0, 0)  # smaller than any shift can express
    assert quantize_multiplier(1e12) == (2**31 - 1, 30)
    # Rounds up to 2**31, which does not fit: halved, and one more shift.
    assert quantize_multiplier(1.0 - 2.0**-40) == (2**30, 1)


def test_channels_are_requantised_by_their_own_factor():
    factor = make_requantize([0.5, 0.001, 2.0])
    x = np.array([[1000, 1000, 1000], [-7, -7, -7]], np.int64)
    result = multiply_by_quantized_multiplier(x, factor.multiplier, factor.shift)
    assert result.tolist() == [[500, 1, 2000], [-3, 0, -14]]
