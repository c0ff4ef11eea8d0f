"""What must hold of a reshape."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect(prod(x.shape) == prod(y.shape), layer, "another number of elements")
    # A scale of its own is the file's word for the same stored values, as LiteRT takes it.
    expect(x.dtype == y.dtype, layer, "another type")
