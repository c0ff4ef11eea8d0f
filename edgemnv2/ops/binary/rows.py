"""Rows of two operands: each the same row, or its only one."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of the same row of each operand; one of height 1 is repeated."""
    height = context.graph.tensor_out(layer).height
    reads = []
    for name in layer.inputs:
        read = context.read(name)
        alone = context.graph.tensors[name].height == 1 and height > 1
        reads.append(Read.broadcast(read.tensor) if alone else read)
    context.add(layer, tuple(reads), (context.write(layer.output),), height)
