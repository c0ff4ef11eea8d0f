"""Normalisation by length in NumPy.

Source: TFLite `reference/l2normalization.h` and `reference/integer_ops/l2normalization.h`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.scalar import inverse_root
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.l2_norm.layer import L2Norm
from edgemnv2.ops.values import quant_of

__all__ = ["run"]

Array = NDArray[Any]
OUTPUT_BITS = 7
_inverse_roots = np.vectorize(inverse_root, otypes=[np.int64, np.int64])


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, L2Norm)
    x, target = inputs[0], graph.tensor_out(layer)
    if x.dtype == np.float32:
        length = np.sqrt(np.square(x.astype(np.float64)).sum(axis=-1, keepdims=True))
        return np.asarray(x / np.maximum(length, layer.epsilon), np.float32)
    steps = x.astype(np.int64) - quant_of(graph.tensor_in(layer)).zero_point
    # The sum of squares wraps at 32 bits for more than 33,000 channels, which no one has.
    multiplier, shift = _inverse_roots(np.square(steps).sum(axis=-1, keepdims=True))
    if layer.shifted_first:
        out = multiply_by_quantized_multiplier(steps << OUTPUT_BITS, multiplier, shift)
    else:
        out = multiply_by_quantized_multiplier(steps, multiplier, shift + OUTPUT_BITS)
    limits = np.iinfo(target.dtype)
    out = out + quant_of(target).zero_point
    clipped: Array = np.clip(out, limits.min, limits.max).astype(target.dtype)
    return clipped
