"""What must hold of an arg max."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect(y.shape == (x.height, x.width, 1), layer, f"output {y.shape} of another shape")
    expect(y.dtype in ("int32", "int64"), layer, f"numbers of type {y.dtype}")
