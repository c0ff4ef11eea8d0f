"""What must hold of a sum."""

from __future__ import annotations

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.checks import expect, expect_factor, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Add)
    expect_same_shape(graph, layer)
    if graph.tensor_out(layer).dtype != "float32":
        expect(layer.rescale is not None, layer, "integer sum without factors")
        assert layer.rescale is not None
        for factor in layer.rescale:
            expect_factor(layer, factor, 1)
