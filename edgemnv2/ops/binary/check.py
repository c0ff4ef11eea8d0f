"""What must hold of a layer of two operands."""

from __future__ import annotations

from edgemnv2.ops.binary.layer import FUNCTIONS, Binary
from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Binary)
    out = graph.tensor_out(layer)
    expect(layer.function in FUNCTIONS, layer, f"no function {layer.function!r}")
    count = 1 if layer.constant is not None else 2
    expect(len(layer.inputs) == count, layer, f"{len(layer.inputs)} activations")
    for index in range(count):
        pairs = zip(graph.tensor_in(layer, index).shape, out.shape, strict=True)
        expect(all(a in (1, b) for a, b in pairs), layer, "operands do not broadcast")
    if layer.constant is not None:
        fits = layer.constant.shape in ((1,), (out.channels,), out.shape)
        expect(fits, layer, f"constant of shape {layer.constant.shape}")
    for factor in layer.rescale or ():
        expect_factor(layer, factor, 1)
