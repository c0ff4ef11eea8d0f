"""The choice in NumPy. Source: TFLite `reference/select.h`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.where.layer import Where

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Where)
    target, given = graph.tensor_out(layer), iter(zip(layer.inputs, inputs, strict=True))
    condition, when, otherwise = layer.constants
    if condition is None:
        name, values = next(given)
        quant = graph.tensors[name].quant
        condition = values != (0 if quant is None else quant.zero_point)
    when = next(given)[1] if when is None else when
    otherwise = next(given)[1] if otherwise is None else otherwise
    chosen = np.where(condition != 0, when, otherwise).astype(target.dtype)
    return np.ascontiguousarray(np.broadcast_to(chosen, (len(inputs[0]), *target.shape)))
