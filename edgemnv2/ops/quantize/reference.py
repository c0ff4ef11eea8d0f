"""Quantising in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.values import quant_of

__all__ = ["quantize", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Quantize)
    return quantize(layer, inputs[0], graph.tensor_out(layer))


def quantize(layer: Quantize, x: Array, target: Tensor) -> Array:
    """float32 to integer; the division is float32's, the rounding exact."""
    quant = quant_of(target)
    scaled = (x / np.float32(quant.scale)).astype(np.float64)
    if layer.rounding == "even":
        scaled = np.rint(scaled)
    else:
        scaled = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    limits = np.iinfo(target.dtype)
    clipped: Array = np.clip(scaled + quant.zero_point, limits.min, limits.max)
    return clipped.astype(target.dtype)
