"""What must hold of a resize."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.resize.layer import Resize

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Resize)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    expect((x.dtype, x.channels) == (y.dtype, y.channels), layer, "another type, other channels")
    for table, weights, size, out in (
        (layer.rows, layer.row_weights, x.height, y.height),
        (layer.columns, layer.column_weights, x.width, y.width),
    ):
        taps = 2 if layer.is_linear else 1
        expect(table.shape == (out, taps), layer, "a table of another shape")
        expect(table.min() >= 0 and table.max() < size, layer, "positions outside of the map")
        expect(bool((np.diff(table, axis=0) >= 0).all()), layer, "positions go back")
        if weights is not None:
            expect(weights.shape == table.shape, layer, "weights of another shape")
            fixed, even = weights.dtype == np.int32, layer.rounding == "even"
            suits = {
                "even": x.dtype in ("int8", "uint8"),
                "zero": False,
                "away": x.dtype == "int8",
            }[layer.rounding]
            expect(fixed == suits, layer, f"{weights.dtype} weights for {x.dtype}")
            expect(not even or x.quant == y.quant, layer, "two scales")
