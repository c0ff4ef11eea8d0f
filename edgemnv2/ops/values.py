"""Stored values in NumPy: clamps, zero points, and tables over all 256 values of an 8-bit type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor

__all__ = [
    "clamp_floats",
    "halves_of_means",
    "index_of",
    "product_table",
    "quant_of",
    "rescale_table",
]

Array = NDArray[Any]


def clamp_floats(out: Array, clamp: tuple[float, float]) -> None:
    """Limit `out` to `clamp` in place."""
    if clamp != (-np.inf, np.inf):
        np.clip(out, np.float32(clamp[0]), np.float32(clamp[1]), out=out)


def halves_of_means(count: int) -> float:
    """Which share of the means of `count` integers, spread evenly, is an exact half."""
    return 1 / count if count % 2 == 0 else 0.0


def quant_of(tensor: Tensor) -> QuantParams:
    """Scale and zero point of an integer tensor."""
    if tensor.quant is None:
        raise AssertionError(f"{tensor.name}: integer tensor without quantisation")
    return tensor.quant


def index_of(x: Array) -> Array:
    """The bits of 8-bit values as an index 0..255."""
    return np.asarray(x.view(np.uint8))


def rescale_table(source: Tensor, factor: Requantize, left_shift: int) -> Array:
    """int64 `[256]`: `(x - zero point) << left_shift`, rescaled, for each 8-bit pattern of x."""
    values = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.int64)
    values = (values - quant_of(source).zero_point) << left_shift
    return rescaled(values, factor)


def product_table(source: Tensor, factor: Requantize) -> Array:
    """int64 `[256]`: `(x - zero point) * multiplier` for each 8-bit pattern of x."""
    values = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.int64)
    products: Array = (values - quant_of(source).zero_point) * int(factor.multiplier[0])
    return products
