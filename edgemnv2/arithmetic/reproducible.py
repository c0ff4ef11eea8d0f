"""Sums, products and functions that give the same bits on every machine.

A BLAS adds in an order of its own on every processor and for every number of threads, LAPACK is
built on it, and the exponentials of NumPy and of the C library differ in their last bit between
processors. A decision of the quantiser (which range, which way a weight is rounded) may hang on
that bit. So here are only

- IEEE 754's `+ - * /`, square root and rounding, element by element, in an order that is written
  down (`ordered_sum`, `exp`, `log`, `inverse_factor`);
- products of matrices by BLAS of which no partial sum can be rounded, so that their order does not
  matter: both operands lie on grids coarse enough for all sums to fit float64 (`on_grid`,
  `exact_weight`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "GRID_BITS",
    "exact_weight",
    "exp",
    "inverse_factor",
    "log",
    "on_grid",
    "ordered_sum",
]

Array = NDArray[Any]

GRID_BITS = 18
"""Of an activation's magnitude: 60 dB finer than the 8 bits of int8, sign apart. The sum of the
products of two such values is exact over 2**17 of them."""
MANTISSA_BITS = 53
FLOAT32_BITS = 24
LEAST_EXPONENT = -80
"""Below this a tensor is zero: its grid would be among float32's denormal numbers."""

LN2 = float.fromhex("0x1.62e42fefa39efp-1")
LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
"""ln 2 in two parts; the first has 32 bits, so that its product with a small whole number is
exact."""
EXP_TERMS, LOG_TERMS = 14, 13
"""Of the power series: what follows is below 2**-53 of the sum."""
LEAST_EXPONENTIAL = -700.0


def on_grid(values: Array, bits: int = GRID_BITS) -> Array:
    """`values` `[N, ...]`, float32, rounded in place to multiples of a power of two for each image.

    The largest magnitude of an image has `bits` bits then. What is not finite stays so.
    """
    for image in values:
        peak = max(float(image.max(initial=0.0)), -float(image.min(initial=0.0)))
        if not math.isfinite(peak):
            continue
        exponent = math.frexp(peak)[1]
        if exponent < LEAST_EXPONENT:
            image[...] = 0.0
            continue
        # Next to 1.5 * 2**23 steps float32's numbers are one step apart, so adding rounds.
        shift = np.float32(math.ldexp(1.5, exponent - bits + FLOAT32_BITS - 1))
        if not np.isfinite(shift):
            continue
        image += shift
        image -= shift
    return values


def exact_weight(weight: Array) -> Array:
    """`weight` `[K, C]` as float64 such that `on_grid` values times it are summed exactly.

    Each column is rounded to as many bits as leave room for the sum of K products: float32's own 24
    for K up to 2048.
    """
    wide = weight.astype(np.float64)
    bits = min(FLOAT32_BITS, MANTISSA_BITS - GRID_BITS - len(weight).bit_length())
    exponent = np.frexp(np.abs(wide).max(axis=0))[1]
    return np.asarray(np.ldexp(np.rint(np.ldexp(wide, bits - exponent)), exponent - bits))


def ordered_sum(values: Array, axis: int = 0) -> Array:
    """The sum along `axis`: the second half is added to the first until one is left."""
    left = np.moveaxis(values, axis, 0)
    while len(left) > 1:
        half = (len(left) + 1) // 2
        total = left[:half].copy()
        total[: len(left) - half] += left[half:]
        left = total
    return np.asarray(left[0])


def exp(x: Array) -> Array:
    """e**x of float64 values, to about one part in 2**52; 0 below `LEAST_EXPONENTIAL`."""
    bounded = np.maximum(x, LEAST_EXPONENTIAL)
    power = np.rint(bounded / LN2)
    rest = (bounded - power * LN2_HIGH) - power * LN2_LOW
    total = np.ones_like(rest)
    for term in range(EXP_TERMS, 0, -1):
        total *= rest / term
        total += 1.0
    result = np.ldexp(total, power.astype(np.int32))
    return np.asarray(np.where(x < LEAST_EXPONENTIAL, 0.0, result))


def log(x: Array) -> Array:
    """The natural logarithm of positive float64 values, to a few parts in 2**52."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa = np.where(low, 2 * mantissa, mantissa)
    power = (exponent - low).astype(np.float64)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    square = ratio * ratio
    total = np.zeros_like(ratio)
    for term in range(LOG_TERMS, -1, -1):
        total *= square
        total += 1.0 / (2 * term + 1)
    return np.asarray(power * LN2_HIGH + (2 * ratio * total + power * LN2_LOW))


def inverse_factor(matrix: Array) -> Array:
    """The upper triangular R, float64 `[B, K, K]`, with `R.T @ R` the inverse of each `matrix`.

    `matrix` is symmetric and positive definite. With `matrix = U @ U.T`, U upper triangular, R is
    the inverse of U. Both are found column by column, by outer products.
    """
    left = np.array(matrix, np.float64)
    size = left.shape[-1]
    upper = np.zeros_like(left)
    for k in reversed(range(size)):
        column = left[:, : k + 1, k] / np.sqrt(left[:, k, k])[:, np.newaxis]
        upper[:, : k + 1, k] = column
        before = column[:, :k]
        left[:, :k, :k] -= before[:, :, np.newaxis] * before[:, np.newaxis, :]
    found = np.zeros_like(left)
    found[:, np.arange(size), np.arange(size)] = 1.0
    for k in reversed(range(size)):
        found[:, k, k:] /= upper[:, k, k, np.newaxis]
        found[:, :k, k:] -= upper[:, :k, k, np.newaxis] * found[:, k, np.newaxis, k:]
    return found
