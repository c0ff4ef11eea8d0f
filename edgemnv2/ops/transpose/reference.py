"""Transposing in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.transpose.layer import Transpose

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Transpose)
    x = inputs[0].reshape(len(inputs[0]), *layer.memory)
    moved = np.transpose(x, (0, *(axis + 1 for axis in layer.axes)))
    return np.ascontiguousarray(moved).reshape(len(x), *graph.tensor_out(layer).shape)
