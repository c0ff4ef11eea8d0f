"""What must hold of a rectifier with learned slopes."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_factor, expect_same_shape
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.prelu.layer import Prelu

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Prelu)
    expect_same_shape(graph, layer)
    out = graph.tensor_out(layer)
    fits = layer.slope.shape in ((1,), (out.channels,), out.shape)
    expect(fits, layer, f"slopes of shape {layer.slope.shape}")
    expect((layer.rescale is None) == (out.dtype == "float32"), layer, "factors are for integers")
    for factor in layer.rescale or ():
        expect_factor(layer, factor, 1)
