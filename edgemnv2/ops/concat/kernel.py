"""Concatenation in plain loops: along the height rows are copied, else parts of a row."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.concat.layer import Concat
from edgemnv2.ops.concat.rows import part_names
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernels by operation name: one of `row_0 ..., out`, or a copy for each operand."""
    assert isinstance(layer, Concat)
    if layer.axis == "height":
        return {
            name: _copy(graph.tensors[source])
            for source, name in zip(layer.inputs, part_names(layer), strict=True)
        }
    out = graph.tensor_out(layer)
    sources = [graph.tensor_in(layer, i) for i in range(len(layer.inputs))]
    facts = {
        "axis": layer.axis,
        "in": [(t.width, t.channels) for t in sources],
        "dtype": out.dtype,
    }
    symbol = symbol_name("plain_concat", facts)
    k = Builder(symbol, noalias=False, scope="global")
    rows = [k.pointer(f"row{i}", out.dtype) for i in range(len(sources))]
    target = k.pointer("out", out.dtype)
    offset = 0
    for row, source in zip(rows, sources, strict=True):
        if layer.axis == "width":
            size = source.width * source.channels
            with k.loop(size) as i:
                k.store(target, i + offset, load(row, i, out.dtype))
            offset += size
            continue
        with k.loop(source.width) as x:
            start = k.let(x * out.channels + offset)
            with k.loop(source.channels) as c:
                value = load(row, x * source.channels + c, out.dtype)
                k.store(target, start + c, value)
        offset += source.channels
    return {layer.name: RowKernel(symbol, (), code=Code.of(k), schedule="fallback")}


def _copy(source: Tensor) -> RowKernel:
    elements = source.width * source.channels
    symbol = symbol_name("plain_copy_row", {"elements": elements, "dtype": source.dtype})
    k = Builder(symbol, scope="global")
    row: Any = k.pointer("row0", source.dtype)
    target = k.pointer("out", source.dtype)
    with k.loop(elements) as i:
        k.store(target, i, load(row, i, source.dtype))
    return RowKernel(symbol, (), code=Code.of(k), schedule="fallback")
