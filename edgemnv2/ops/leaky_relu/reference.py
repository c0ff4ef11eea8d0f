"""Leaky rectifier in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.leaky_relu.layer import LeakyRelu
from edgemnv2.ops.unary import run_unary

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, LeakyRelu)

    def function(x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(np.where(wide > 0, wide, layer.alpha * wide))

    return run_unary(graph, layer, inputs, function)
