"""Windowed pooling in NumPy. Source: TFLite `reference/pooling.h`, `integer_ops/pooling.h`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.values import clamp_floats, quant_of
from edgemnv2.ops.window_pool.layer import AveragePool, MaxPool, Window, axis_counts
from edgemnv2.ops.windows import patches

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Window)
    x, source, target = inputs[0], graph.tensor_in(layer), graph.tensor_out(layer)
    if isinstance(layer, MaxPool):
        info = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
        found = _windows(layer, x, info.min, target).max(axis=(3, 4))
        return np.asarray(np.clip(found, *layer.clamp), target.dtype)
    assert isinstance(layer, AveragePool)
    counts = _counts(layer, source, target, layer.counted)
    if x.dtype.kind == "f":
        total = _windows(layer, x, 0, target).sum(axis=(3, 4), dtype=np.float32)
        mean = np.asarray(total / np.maximum(counts, 1).astype(np.float32), np.float32)
        clamp_floats(mean, layer.clamp)
        return mean
    total = _windows(layer, x, 0, target).sum(axis=(3, 4), dtype=np.int64)
    if layer.requantize is None:
        # C's division truncates, so that halves go away from zero.
        mean = np.sign(total) * ((np.abs(total) + counts // 2) // np.maximum(counts, 1))
    else:
        total -= _counts(layer, source, target, (0, 0, 0, 0)) * quant_of(source).zero_point
        number = np.broadcast_to(np.maximum(counts, 1) - 1, total.shape)
        factor = layer.requantize
        own = replace(factor, multiplier=factor.multiplier[number], shift=factor.shift[number])
        mean = rescaled(total, own)
        mean = mean + quant_of(target).zero_point
    return np.clip(mean, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)


def _counts(
    layer: Window, source: Tensor, target: Tensor, counted: tuple[int, int, int, int]
) -> Array:
    """int64 `[OH, OW, 1]`."""
    top, left, bottom, right = counted
    rows = axis_counts(layer, 0, source.height, target.height, top, bottom)
    columns = axis_counts(layer, 1, source.width, target.width, left, right)
    return np.outer(rows, columns).astype(np.int64)[..., np.newaxis]


def _windows(layer: Window, x: Array, fill: Any, target: Tensor) -> Array:
    """`[N, OH, OW, KH, KW, C]` with `fill` outside of the map."""
    top, left, bottom, right = layer.padding
    n, h, w, c = x.shape
    padded = np.full((n, top + h + bottom, left + w + right, c), fill, x.dtype)
    padded[:, top : top + h, left : left + w] = x
    views = patches(padded, layer.kernel, layer.stride, layer.dilation)
    return views[:, : target.height, : target.width]
