"""What must hold of a rescale."""

from __future__ import annotations

from edgemnv2.ops.checks import expect_factor, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.rescale.layer import Rescale

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Rescale)
    expect_same_shape(graph, layer)
    expect_factor(layer, layer.requantize, 1)
