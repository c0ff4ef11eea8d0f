"""Rows of a concatenation: one of every operand, or along the height each operand's in turn."""

from __future__ import annotations

from edgemnv2.ops.concat.layer import Concat
from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.program import Write

__all__ = ["part_names", "rows"]


def part_names(layer: Concat) -> list[str]:
    """Operation names of the operands' copies; the last has the layer's own."""
    count = len(layer.inputs)
    return [f"{layer.name}.{i}" for i in range(count - 1)] + [layer.name]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of the same row of each operand; along the height, several writers."""
    assert isinstance(layer, Concat)
    if layer.axis != "height":
        reads = tuple(context.read(name) for name in layer.inputs)
        height = context.graph.tensor_out(layer).height
        context.add(layer, reads, (context.write(layer.output),), height)
        return
    target = context.write(layer.output).tensor
    out = context.graph.tensor_out(layer)
    start = 0
    for source, name in zip(layer.inputs, part_names(layer), strict=True):
        tensor = context.graph.tensors[source]
        each = tensor.width * tensor.channels // (out.width * out.channels)
        write = Write(target, first_row=start, rows=each)
        context.add(layer, (context.read(source),), (write,), tensor.height, name=name)
        start += tensor.height * each
