"""Reductions in NumPy. Source: TFLite `reference/reduce.h` (QuantizedMeanOrSum)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.reduce.layer import Reduce, reduced_count
from edgemnv2.ops.values import clamp_floats, quant_of

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`, its reduced axes 1."""
    assert isinstance(layer, Reduce)
    x, source, target = inputs[0], graph.tensor_in(layer), graph.tensor_out(layer)
    axes = tuple(axis + 1 for axis in layer.axes)
    if layer.function in ("max", "min"):
        found = (x.max if layer.function == "max" else x.min)(axis=axes, keepdims=True)
        return np.asarray(np.clip(found, *layer.clamp), target.dtype)
    count = reduced_count(source, layer.axes)
    if layer.requantize is None:
        total = np.asarray(x.sum(axis=axes, keepdims=True, dtype=np.float32))
        if layer.function == "mean":
            total = total / np.float32(count)
        clamp_floats(total, layer.clamp)
        return np.asarray(total, np.float32)
    sums = x.sum(axis=axes, keepdims=True, dtype=np.int64) - count * quant_of(source).zero_point
    scaled = rescaled(sums, layer.requantize)
    stored = scaled + quant_of(target).zero_point
    return np.asarray(np.clip(stored, int(layer.clamp[0]), int(layer.clamp[1])), target.dtype)
