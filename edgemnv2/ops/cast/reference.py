"""Conversions of types in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.cast.layer import Cast
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Cast)
    source, target = graph.tensor_in(layer), graph.tensor_out(layer)
    x = inputs[0]
    if source.quant is not None:
        x = x.astype(np.int64) - (source.quant.zero_point - layer.zero_in)
    if target.dtype == "float32":
        return x.astype(np.float32)
    limits = np.iinfo(target.dtype)
    moved = 0 if target.quant is None else target.quant.zero_point - layer.zero_out
    whole = np.trunc(x) if x.dtype == np.float32 else x
    clipped: Array = np.clip(whole, limits.min - moved, limits.max - moved)
    stored: Array = clipped.astype(np.int64).astype(target.dtype) + np.array(moved, target.dtype)
    return stored
