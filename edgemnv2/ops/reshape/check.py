"""What must hold of a reshape."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect(prod(x.shape) == prod(y.shape), layer, "another number of elements")
    expect((x.dtype, x.quant) == (y.dtype, y.quant), layer, "another type or scale")
