"""Clamping in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Clamp)
    low, high = (np.asarray(limit).astype(np.float64) for limit in layer.clamp)
    clipped: Array = np.clip(inputs[0], low, high).astype(inputs[0].dtype)
    return clipped
