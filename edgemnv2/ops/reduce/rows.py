"""Rows of a reduction: row by row, or over the height with a row of sums in between."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.reduce.layer import Reduce, sum_type
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read, RowTensor, Write

__all__ = ["GATHER_SUFFIX", "rows"]

GATHER_SUFFIX = ".gather"
"""Name of the operation (and of its tensor) that accumulates rows, after its layer's."""


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of its own; with the height among the axes, one row out of all."""
    assert isinstance(layer, Reduce)
    if 0 not in layer.axes:
        context.elementwise(layer)
        return
    sums = layer.name + GATHER_SUFFIX
    out = context.graph.tensor_out(layer)
    read = context.read(layer.inputs[0])
    write = context.write(layer.output)
    source = context.graph.tensor_in(layer)
    # One number for each value of the output.
    size = np.dtype(sum_type(source, layer)).itemsize
    context.add_tensor(RowTensor(sums, 1, size * out.width * out.channels, size))
    context.add(layer, (read,), (Write(sums),), source.height, name=sums, accumulates=True)
    context.add(layer, (Read(sums),), (write,), 1)
