"""Resizing in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.resize.layer import FIXED_BITS, Resize
from edgemnv2.ops.values import quant_of

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Resize)
    x = inputs[0]
    if layer.row_weights is None or layer.column_weights is None:
        return np.ascontiguousarray(x[:, layer.rows[:, 0]][:, :, layer.columns[:, 0]])
    if layer.rounding == "zero":
        return _truncated(layer, x)
    fixed = layer.row_weights.dtype == np.int32
    compute: Any = np.int64 if fixed else np.float32
    down, across = layer.row_weights.astype(compute), layer.column_weights.astype(compute)
    total: Array | None = None
    # In LiteRT's order: both rows of the left column, then both of the right one.
    for column in (0, 1):
        for row in (0, 1):
            values = x[:, layer.rows[:, row]][:, :, layer.columns[:, column]]
            part: Array = values.astype(compute) * down[:, row][:, np.newaxis, np.newaxis]
            part = part * across[:, column][:, np.newaxis]
            total = part if total is None else total + part
    assert total is not None
    if not fixed:
        if x.dtype.kind == "f":
            return np.asarray(total, x.dtype)
        return np.floor(total + np.float32(0.5)).astype(np.int64).astype(x.dtype)
    half = np.int64(1) << (FIXED_BITS - 1)
    if layer.rounding == "even":
        whole = total >> FIXED_BITS
        rest, odd = total - (whole << FIXED_BITS), (whole - _zero_point(graph, layer)) & 1
        return np.asarray(whole + ((rest > half) | ((rest == half) & (odd == 1))), x.dtype)
    rounded = np.sign(total) * ((np.abs(total) + half) >> FIXED_BITS)
    return np.asarray(rounded, x.dtype)


def _zero_point(graph: Graph, layer: Resize) -> int:
    return quant_of(graph.tensor_out(layer)).zero_point


def _truncated(layer: Resize, x: Array) -> Array:
    """In onnxruntime's order: along the upper row, then along the lower one."""
    assert layer.row_weights is not None and layer.column_weights is not None
    total: Array | None = None
    for row in (0, 1):
        for column in (0, 1):
            weights = np.outer(layer.row_weights[:, row], layer.column_weights[:, column])
            values = x[:, layer.rows[:, row]][:, :, layer.columns[:, column]]
            part: Array = weights[:, :, np.newaxis] * values.astype(np.float32)
            total = part if total is None else total + part
    return np.asarray(np.trunc(np.asarray(total)), x.dtype)
