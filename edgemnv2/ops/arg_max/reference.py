"""Arg max in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, 1]` of `layer`."""
    assert isinstance(layer, ArgMax)
    find = np.argmin if layer.smallest else np.argmax
    x = inputs[0]
    if layer.last:
        found = x.shape[-1] - 1 - find(x[..., ::-1], axis=-1, keepdims=True)
    else:
        found = find(x, axis=-1, keepdims=True)
    return np.asarray(found).astype(graph.tensor_out(layer).dtype)
