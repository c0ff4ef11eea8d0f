"""Rows of a mean over the map: one operation adds each of them to a row of sums, one divides."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read, RowTensor, Write

__all__ = ["SUM_SUFFIX", "rows", "sum_names"]

SUM_SUFFIX = ".sum"
"""Name of the operation (and of its tensor) that accumulates rows, after its layer's."""


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """All rows of each operand into one of sums, and these into the mean."""
    channels = context.graph.tensor_out(layer).channels
    names = sum_names(layer)
    for source, sums in zip(layer.inputs, names, strict=True):
        read = context.read(source)
        # One int32 or float32 sum per channel.
        context.add_tensor(RowTensor(sums, 1, 4 * channels, 4))
        height = context.graph.tensors[source].height
        context.add(layer, (read,), (Write(sums),), height, name=sums, accumulates=True)
    write = context.write(layer.output)
    context.add(layer, tuple(Read(sums) for sums in names), (write,), 1)


def sum_names(layer: Layer) -> list[str]:
    """Names of the sums, one for each operand."""
    sums = layer.name + SUM_SUFFIX
    return [sums if i == 0 else f"{sums}{i + 1}" for i in range(len(layer.inputs))]
