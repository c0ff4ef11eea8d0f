"""Gaussian error linear unit in NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.gelu.layer import Gelu
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.unary import run_unary

__all__ = ["run"]

Array = NDArray[Any]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Gelu)
    approximate = layer.approximate

    def function(x: Array) -> Array:
        wide = x.astype(np.float64)
        if approximate:
            bend = np.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))
        else:
            bend = _erf(wide * math.sqrt(0.5))
        return np.asarray(wide / 2 * (1 + bend))

    return run_unary(graph, layer, inputs, function)
