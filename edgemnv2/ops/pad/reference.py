"""Padding in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pad.layer import Pad

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Pad)
    top, left, bottom, right = layer.padding
    pairs = ((0, 0), (top, bottom), (left, right), layer.channels)
    value = np.array(layer.value).astype(inputs[0].dtype)
    return np.pad(inputs[0], pairs, constant_values=value)
