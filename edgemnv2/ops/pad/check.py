"""What must hold of a padding layer."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pad.layer import Pad

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Pad)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    top, left, bottom, right = layer.padding
    shape = (x.height + top + bottom, x.width + left + right, x.channels + sum(layer.channels))
    expect(shape == y.shape, layer, f"output {y.shape} of another shape")
    expect(min(*layer.padding, *layer.channels) >= 0, layer, "negative padding")
    # A scale of its own is the file's word for the same stored values, as LiteRT takes it.
    expect(x.dtype == y.dtype, layer, "another type")
