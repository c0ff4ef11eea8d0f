"""What must hold of a table."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.lookup.layer import Lookup

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Lookup)
    expect_same_shape(graph, layer)
    expect(layer.table is not None and layer.table.shape == (256,), layer, "no table of 256")
