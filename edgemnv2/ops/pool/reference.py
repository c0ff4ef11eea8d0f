"""The mean over the map in NumPy. Source: TFLite `reference/{pooling,integer_ops/mean}.h`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.values import clamp_floats, quant_of

__all__ = ["float_mean", "mean", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, 1, 1, C]` of `layer`."""
    assert isinstance(layer, GlobalAveragePool)
    source = graph.tensor_in(layer)
    x = inputs[0] if len(inputs) == 1 else np.concatenate(inputs, axis=1)
    if source.dtype == "float32":
        return float_mean(layer, x)
    return mean(layer, x, source, graph.tensor_out(layer))


def float_mean(layer: GlobalAveragePool, x: Array) -> Array:
    """Mean over height and width, `[N, 1, 1, C]`."""
    out = np.asarray(x.sum(axis=(1, 2), keepdims=True) / np.float32(x.shape[1] * x.shape[2]))
    clamp_floats(out, layer.clamp)
    return out


def mean(layer: GlobalAveragePool, x: Array, source: Tensor, target: Tensor) -> Array:
    """The mean by a factor (`requantize`) or AVERAGE_POOL_2D over the whole map."""
    count = x.shape[1] * x.shape[2]
    total = x.sum(axis=(1, 2), keepdims=True, dtype=np.int64)
    if layer.requantize is not None:
        total -= count * quant_of(source).zero_point
        total = rescaled(total, layer.requantize)
        total += quant_of(target).zero_point
    else:  # C's division truncates, so that halves go away from zero
        total = np.sign(total) * ((np.abs(total) + count // 2) // count)
    clipped: Array = np.clip(total, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
    return clipped
