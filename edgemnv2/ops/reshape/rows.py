"""Rows of a reshape: the whole map in one step."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Read

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """All rows of the operand, all rows of the output."""
    (name,) = layer.inputs
    height = context.graph.tensors[name].height
    read = Read.whole(context.declare(name), height)
    out = context.graph.tensor_out(layer)
    context.add(layer, (read,), (context.write(layer.output),), out.height)
