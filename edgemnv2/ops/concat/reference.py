"""Concatenation in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.concat.layer import AXES, Concat
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Concat)
    if layer.axis == "height":
        # Rows of another length hold several of the output's.
        out = graph.tensor_out(layer)
        inputs = [x.reshape(len(x), -1, out.width, out.channels) for x in inputs]
    return np.concatenate(inputs, axis=1 + AXES.index(layer.axis))
