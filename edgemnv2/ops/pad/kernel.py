"""Padding in plain loops: a row, or a row of the fill value, between its columns."""

from __future__ import annotations

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.pad.layer import Pad
from edgemnv2.tir.builder import Builder, load, scalar, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, out`."""
    assert isinstance(layer, Pad)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    facts = {
        "in": (source.width, source.channels, source.dtype),
        "padding": layer.padding,
        "channels": layer.channels,
        "value": layer.value,
    }
    symbol = symbol_name("plain_pad", facts)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    _, left, _, right = layer.padding
    before, after = layer.channels
    value = scalar(layer.value, out.dtype)
    for start, count in ((0, left), (left + source.width, right)):
        if count:
            with k.loop(count * out.channels) as i:
                k.store(target, i + start * out.channels, value)
    with k.loop(source.width) as x:
        base = k.let((x + left) * out.channels)
        for start, count in ((0, before), (before + source.channels, after)):
            if count:
                with k.loop(count) as i:
                    k.store(target, base + (i + start), value)
        with k.loop(source.channels) as c:
            moved = load(row, x * source.channels + c, source.dtype)
            k.store(target, base + (c + before), moved)
    return {layer.name: RowKernel(symbol, (), code=Code.of(k), schedule="fallback")}
