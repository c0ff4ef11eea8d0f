"""What must hold of a mean over the map."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pool.layer import GlobalAveragePool

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, GlobalAveragePool)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect(y.shape == (1, 1, x.channels), layer, "pooling gives one pixel")
    for index in range(1, len(layer.inputs)):
        part = graph.tensor_in(layer, index)
        same = (part.width, part.channels, part.dtype, part.quant)
        expect(same == (x.width, x.channels, x.dtype, x.quant), layer, "parts of several maps")
    if layer.requantize is not None:
        # MEAN divides its multiplier by the pixel count, which can take one bit more.
        expect_factor(layer, layer.requantize, 1, 2**29)
