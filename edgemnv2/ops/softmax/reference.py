"""Softmax over channels in NumPy. Source: TFLite `reference/softmax.h`, gemmlowp `fixedpoint.h`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.ops.values import quant_of

__all__ = ["float_softmax", "run", "softmax"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Softmax)
    if layer.exp_table is None:
        return float_softmax(inputs[0], layer.beta)
    return softmax(layer, inputs[0], graph.tensor_out(layer))


def float_softmax(x: Array, beta: float = 1.0) -> Array:
    """Softmax over channels; the maximum is taken off first, so that nothing overflows."""
    out = np.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(beta))
    out /= out.sum(axis=-1, keepdims=True)
    return np.asarray(out, np.float32)


def softmax(layer: Softmax, x: Array, target: Tensor) -> Array:
    """TFLite's integer softmax over channels, from the layer's table of exponentials."""
    if layer.exp_table is None:
        raise AssertionError(f"{layer.name}: integer softmax without table")
    distance = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    exponential = layer.exp_table.astype(np.int64)[distance]
    if layer.inverse is not None:
        return _quotients(exponential, layer.inverse, target)
    # The sum has 12 integer bits (kAccumulationIntegerBits).
    total = rounding_divide_by_pot(exponential, np.int64(12)).sum(axis=-1, keepdims=True)
    reciprocal, bits_over_unit = _reciprocal(total)
    limits = np.iinfo(target.dtype)
    out = saturating_rounding_doubling_high_mul(exponential, reciprocal)
    out = rounding_divide_by_pot(out, bits_over_unit + (31 - limits.bits)) + limits.min
    clipped: Array = np.clip(out, limits.min, limits.max).astype(target.dtype)
    return clipped


def _quotients(exponential: Array, inverse: tuple[int, int], target: Tensor) -> Array:
    """ONNX's: `exponential / their sum * inverse`, halves to even."""
    number, bits = inverse
    whole = exponential.sum(axis=-1, keepdims=True) << bits
    twice = 2 * exponential * number + whole
    rounded = twice // (2 * whole)
    rounded -= (rounded * (2 * whole) == twice) & (rounded & 1 == 1)
    limits = np.iinfo(target.dtype)
    stored = rounded + quant_of(target).zero_point
    clipped: Array = np.clip(stored, limits.min, limits.max).astype(target.dtype)
    return clipped


def _reciprocal(x: Array) -> tuple[Array, Array]:
    """TFLite's `GetReciprocal` of Q12.19 values: `(1 / x` in Q0.31, `num_bits_over_unit)`."""
    # frexp's exponent is the bit length, exactly, for values below 2**53.
    headroom = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    a = (x << headroom) - (1 << 31)  # x - 1 in Q0.31 after scaling x to [1, 2)
    one = (1 << 31) - 1
    half_denominator = (a + one + 1) >> 1  # RoundingHalfSum of values that are not negative
    # Newton-Raphson from 48/17 - 32/17 d, in Q2.29.
    y = 1515870810 + saturating_rounding_doubling_high_mul(half_denominator, np.int64(-1010580540))
    for _ in range(3):
        residue = (1 << 29) - saturating_rounding_doubling_high_mul(half_denominator, y)
        y = y + _saturate(saturating_rounding_doubling_high_mul(y, residue) << 2)
    return _saturate(y << 1), 12 - headroom


def _saturate(x: Array) -> Array:
    clipped: Array = np.clip(x, -(2**31), 2**31 - 1)
    return clipped
