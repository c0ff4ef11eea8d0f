"""Log softmax over channels in NumPy.

Source: TFLite `reference/log_softmax.h`; its logarithm is in `kernels/internal/common.h`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
)
from edgemnv2.arithmetic.scalar import logarithm
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.log_softmax.layer import LogSoftmax

__all__ = ["run"]

Array = NDArray[Any]
SUM_BITS = 12
"""Integer bits of the sum of exponentials."""
OUTPUT_SHIFT = 31 - 5 - 4
_logarithms = np.vectorize(lambda x: logarithm(int(x), SUM_BITS), otypes=[np.int64])


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, LogSoftmax)
    x = inputs[0]
    if layer.exp_table is None:
        wide = x.astype(np.float64)
        wide = wide - wide.max(axis=-1, keepdims=True)
        total = np.log(np.exp(wide).sum(axis=-1, keepdims=True))
        return np.asarray(wide - total, np.float32)
    return _integer(layer, x, graph.tensor_out(layer))


def _integer(layer: LogSoftmax, x: Array, target: Tensor) -> Array:
    assert layer.exp_table is not None and layer.distances is not None and layer.back is not None
    distance = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    powers = layer.exp_table.astype(np.int64)[distance]
    total = rounding_divide_by_pot(powers, np.int64(SUM_BITS)).sum(axis=-1, keepdims=True)
    log = _logarithms(total)
    # The furthest that the difference to the logarithm can be told in Q5.26.
    least = multiply_by_quantized_multiplier(log - 2**31, layer.back.multiplier, layer.back.shift)
    least = np.maximum(-layer.furthest - 1, least)
    limits = np.iinfo(target.dtype)
    difference = layer.distances.astype(np.int64)[distance] - log
    out = rounding_divide_by_pot(difference, np.int64(OUTPUT_SHIFT)) + limits.max
    out = np.where(-distance > least, out, limits.min)
    clipped: Array = np.clip(out, limits.min, limits.max).astype(target.dtype)
    return clipped
