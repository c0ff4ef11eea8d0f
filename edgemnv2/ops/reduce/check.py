"""What must hold of a reduction."""

from __future__ import annotations

from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.reduce.layer import Reduce

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Reduce)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    shape = tuple(1 if axis in layer.axes else x.shape[axis] for axis in range(3))
    expect(shape == y.shape, layer, f"output {y.shape} of another shape")
    expect(layer.function in ("max", "min", "mean", "sum"), layer, "unknown function")
    if layer.keeps_storage:
        expect((x.dtype, x.quant) == (y.dtype, y.quant), layer, "another type or scale")
    elif x.dtype != "float32":
        # MEAN divides its multiplier by the count, which can take one bit more.
        expect_factor(layer, layer.requantize, 1, 2**29)
