"""What must hold of a product of matrices."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.matrix_product.layer import MatrixProduct

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, MatrixProduct)
    a, b, y = graph.tensor_in(layer), graph.tensor_in(layer, 1), graph.tensor_out(layer)
    expect(a.channels == b.width == layer.depth, layer, f"matrices {a.shape} and {b.shape}")
    expect((a.width, b.channels) == (y.width, y.channels), layer, f"an output {y.shape}")
    heights = {a.height, b.height} - {1, y.height}
    expect(not heights and max(a.height, b.height) == y.height, layer, "other heights")
    if layer.requantize is not None:
        expect_factor(layer, layer.requantize, 1)
