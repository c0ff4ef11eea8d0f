"""Hard swish in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.unary import run_unary

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    return run_unary(graph, layer, inputs, _function)


def _function(x: Array) -> Array:
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return np.asarray(wide * np.clip(wide + 3, 0, 6) / 6)
