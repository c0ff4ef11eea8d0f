"""Rows of a mean over the map: one operation adds each of them to a row of sums, one divides."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read, RowTensor, Write

__all__ = ["SUM_SUFFIX", "rows"]

SUM_SUFFIX = ".sum"
"""Name of the operation (and of its tensor) that accumulates rows, after its layer's."""


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """All rows into one of sums, and that into the mean."""
    sums = layer.name + SUM_SUFFIX
    read = context.read(layer.inputs[0])
    write = context.write(layer.output)
    # One int32 or float32 sum per channel.
    channels = context.graph.tensor_out(layer).channels
    context.add_tensor(RowTensor(sums, 1, 4 * channels, 4))
    height = context.graph.tensor_in(layer).height
    context.add(layer, (read,), (Write(sums),), height, name=sums, accumulates=True)
    context.add(layer, (Read(sums),), (write,), 1)
