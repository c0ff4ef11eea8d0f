"""What must hold of a concatenation."""

from __future__ import annotations

from edgemnv2.ops.checks import expect
from edgemnv2.ops.concat.layer import AXES, Concat
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Concat)
    y = graph.tensor_out(layer)
    axis = AXES.index(layer.axis)
    total = 0
    for index in range(len(layer.inputs)):
        x = graph.tensor_in(layer, index)
        expect((x.dtype, x.quant) == (y.dtype, y.quant), layer, "another type or scale")
        if layer.axis == "height":
            each, rest = divmod(x.width * x.channels, y.width * y.channels)
            expect(rest == 0, layer, "rows that are no whole rows of the output")
            total += x.height * each
            continue
        same = [i == axis or x.shape[i] == y.shape[i] for i in range(3)]
        expect(all(same), layer, "operands of several shapes")
        total += x.shape[axis]
    expect(total == y.shape[axis], layer, f"output {y.shape} of another shape")
