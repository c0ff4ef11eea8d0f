"""Selecting in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.select.layer import Select

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Select)
    lists = (layer.rows, layer.columns, layer.channels)
    index = np.ix_(np.arange(len(inputs[0])), *(np.array(x, np.int64) for x in lists))
    return np.ascontiguousarray(inputs[0][index])
