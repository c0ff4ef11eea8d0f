"""A table in NumPy."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.lookup.layer import Lookup

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Lookup) and layer.table is not None
    x = inputs[0]
    # From the lowest value of the type on.
    unsigned = x.astype("int64") + (128 if x.dtype == "int8" else 0)
    looked_up: Array = layer.table[unsigned].astype(graph.tensor_out(layer).dtype)
    return looked_up
