"""Rows of a selection: a progression of its operand's, or any of all."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.ops.select.layer import Select
from edgemnv2.ops.select.progression import progression
from edgemnv2.program import Read

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Row `r` out of row `first + r * step`, or out of all rows."""
    assert isinstance(layer, Select)
    name = context.declare(layer.inputs[0])
    source = context.graph.tensor_in(layer)
    steady = progression(layer.rows)
    if steady is None:
        read = Read.whole(name, source.height)
    else:
        read = Read(name, stride=steady[1], before=-steady[0])
    height = context.graph.tensor_out(layer).height
    context.add(layer, (read,), (context.write(layer.output),), height)
