"""Dequantising in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.values import quant_of

__all__ = ["dequantize", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Dequantize)
    return dequantize(layer, inputs[0], graph.tensor_in(layer))


def dequantize(layer: Dequantize, x: Array, source: Tensor) -> Array:
    """Integer to float32."""
    quant = quant_of(source)
    return (x.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
