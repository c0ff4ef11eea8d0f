"""What must hold of a selection."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.select.layer import Select

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Select)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    lists = (layer.rows, layer.columns, layer.channels)
    expect(tuple(map(len, lists)) == y.shape, layer, f"output {y.shape} of another shape")
    for indices, extent in zip(lists, x.shape, strict=True):
        expect(min(indices) >= 0 and max(indices) < extent, layer, "an index out of range")
    # A scale of its own is the file's word for the same stored values, as LiteRT takes it.
    expect(x.dtype == y.dtype, layer, "another type")
