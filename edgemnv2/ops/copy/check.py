"""What must hold of a copy."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    expect_same_shape(graph, layer)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    # A scale of its own is the file's word for the same stored values, as LiteRT takes it.
    expect(x.dtype == y.dtype, layer, "another type")
