"""What must hold of the largest values."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.top_k.layer import TopK

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, TopK)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect(x.shape[:2] == y.shape[:2], layer, f"output {y.shape} of another shape")
    expect(1 <= y.channels <= x.channels, layer, f"{y.channels} of {x.channels} channels")
    if layer.numbers:
        expect(y.dtype in ("int32", "int64"), layer, f"numbers of type {y.dtype}")
    else:
        expect(x.dtype == y.dtype, layer, "another type")
