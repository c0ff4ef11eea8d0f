"""Rescaling in NumPy, by table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.values import index_of, quant_of, rescale_table

__all__ = ["rescale", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Rescale)
    return rescale(layer, inputs[0], graph.tensor_in(layer), graph.tensor_out(layer))


def rescale(layer: Rescale, x: Array, source: Tensor, target: Tensor) -> Array:
    """Integer to integer of other quantisation, by table."""
    table = rescale_table(source, layer.requantize, 0) + quant_of(target).zero_point
    table = np.clip(table, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
    return np.asarray(table[index_of(x)])
