"""What must hold of a clamp layer."""

from __future__ import annotations

from edgemnv2.ops.checks import expect_same_shape
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    expect_same_shape(graph, layer)
