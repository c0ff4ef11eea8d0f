"""Hard sigmoid in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.hard_sigmoid.layer import HardSigmoid
from edgemnv2.ops.unary import run_unary

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, HardSigmoid)

    def function(x: Array) -> Array:
        wide = x.astype(np.float64)
        with np.errstate(all="ignore"):
            return np.asarray(np.clip(layer.alpha * wide + layer.beta, 0, 1))

    return run_unary(graph, layer, inputs, function)
