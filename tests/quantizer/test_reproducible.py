"""Sums that no order can change, and functions as good as the C library's."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from edgemnv2.quantizer.reproducible import (
    GRID_BITS,
    exact_weight,
    exp,
    inverse_factor,
    log,
    on_grid,
    ordered_sum,
)

ULPS = 4
"""Between two good implementations of exp or log, in units of 2**-52 of the result."""


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1001])
def test_the_ordered_sum_is_the_sum(count):
    values = np.random.default_rng(count).standard_normal((5, count, 3))
    exact = [[math.fsum(row) for row in image.T] for image in values]
    np.testing.assert_allclose(ordered_sum(values, axis=1), exact, atol=1e-12)
    np.testing.assert_array_equal(ordered_sum(values, axis=1)[2], ordered_sum(values[2]))


def test_values_on_the_grid_are_multiples_of_a_power_of_two_and_near():
    values = np.random.default_rng(1).standard_normal((3, 40, 7)).astype(np.float32)
    values *= np.array([1e-9, 1.0, 3e20], np.float32)[:, np.newaxis, np.newaxis]
    rounded = on_grid(values.copy())
    for before, after in zip(values, rounded, strict=True):
        step = 2.0 ** (math.frexp(float(np.abs(before).max()))[1] - GRID_BITS)
        steps = after.astype(np.float64) / step
        np.testing.assert_array_equal(steps, np.rint(steps))
        assert np.abs(before.astype(np.float64) - after).max() <= step / 2
        assert np.abs(steps).max() <= 2**GRID_BITS


def test_zeros_stay_zero_and_what_is_not_finite_stays_so():
    values = np.zeros((3, 4), np.float32)
    values[1, 2], values[2, 1] = np.nan, np.inf
    rounded = on_grid(values.copy())
    np.testing.assert_array_equal(rounded, values)


def test_tiny_tensors_are_zero():
    assert not on_grid(np.full((1, 4), 1e-40, np.float32)).any()


@pytest.mark.parametrize("depth", [1, 9, 960, 5000])
def test_products_on_grids_are_exact_in_any_order(depth):
    """The sum by BLAS equals the sum of fractions."""
    rng = np.random.default_rng(depth)
    x = on_grid((rng.standard_normal((2, depth)) * 100).astype(np.float32))
    # All of one sign and close to the largest: the longest sums.
    x[0] = on_grid(rng.uniform(90, 100, (1, depth)).astype(np.float32))[0]
    weight = exact_weight(rng.uniform(0.9, 1.0, (depth, 3)).astype(np.float32))
    products = x.astype(np.float64) @ weight
    for row in range(2):
        for column in range(3):
            pairs = zip(x[row].tolist(), weight[:, column].tolist(), strict=True)
            assert sum(Fraction(a) * Fraction(b) for a, b in pairs) == products[row, column]


def test_short_columns_of_weights_keep_all_24_bits():
    weight = np.random.default_rng(2).uniform(0.5, 1.0, (1000, 4)).astype(np.float32)
    np.testing.assert_array_equal(exact_weight(weight), weight)
    assert not exact_weight(np.zeros((3, 2), np.float32)).any()


def test_exponentials_and_logarithms_are_those_of_the_c_library():
    x = np.random.default_rng(3).uniform(-600.0, 100.0, 20_000)
    wanted = np.array([math.exp(value) for value in x])
    np.testing.assert_allclose(exp(x), wanted, rtol=ULPS * 2.0**-52)
    np.testing.assert_allclose(log(wanted), x, rtol=0, atol=ULPS * 2.0**-52 * 600)
    near_one = 1.0 + np.linspace(-0.4, 0.6, 1001)
    wanted = np.array([math.log(value) for value in near_one])
    np.testing.assert_allclose(log(near_one), wanted, rtol=ULPS * 2.0**-52, atol=2.0**-54)
    assert exp(np.array([0.0, -1e4])).tolist() == [1.0, 0.0]
    assert log(np.array([1.0]))[0] == 0.0


@pytest.mark.parametrize("size", [1, 2, 9, 32])
def test_the_factor_of_the_inverse(size):
    samples = np.random.default_rng(size).standard_normal((4, 3 * size, size))
    matrix = samples.transpose(0, 2, 1) @ samples
    found = inverse_factor(matrix)
    np.testing.assert_array_equal(found, np.triu(found))
    assert (np.diagonal(found, axis1=1, axis2=2) > 0).all()
    identity = found.transpose(0, 2, 1) @ found @ matrix
    np.testing.assert_allclose(identity, np.broadcast_to(np.eye(size), matrix.shape), atol=1e-8)
