"""What must hold of a log softmax."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.log_softmax.layer import LogSoftmax

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, LogSoftmax)
    expect_same_shape(graph, layer)
    is_float = graph.tensor_in(layer).dtype == "float32"
    expect((layer.exp_table is None) == is_float, layer, "a table is for integers")
    for table in (layer.exp_table, layer.distances):
        expect(table is None or table.shape == (256,), layer, "a table of 256")
