"""The largest values in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.top_k.layer import TopK

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, K]` of `layer`."""
    assert isinstance(layer, TopK)
    x, target = inputs[0], graph.tensor_out(layer)
    keys = x.astype(np.float64) if layer.smallest else -x.astype(np.float64)
    places = np.argsort(keys, axis=-1, kind="stable")[..., : target.channels]
    found = places if layer.numbers else np.take_along_axis(x, places, axis=-1)
    return np.asarray(found, target.dtype)
