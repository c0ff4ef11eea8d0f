"""Arg max in plain loops."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, out`."""
    assert isinstance(layer, ArgMax)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    facts = {
        "in": (source.width, source.channels, source.dtype),
        "out": out.dtype,
        "smallest": layer.smallest,
        "last": layer.last,
    }
    k = Builder(symbol_name("plain_arg_max", facts), scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    best, place = k.registers(source.dtype, 1), k.registers("int32", 1)
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        k.set(best, 0, load(row, start, source.dtype))
        k.set(place, 0, scalar(0, "int32"))
        with k.loop(source.channels) as c:
            value = k.let(load(row, start + c, source.dtype))
            better = k.let(_beats(layer, value, element(best, 0)))
            k.set(place, 0, tirx.Select(better, c, element(place, 0)))
            k.set(best, 0, tirx.Select(better, value, element(best, 0)))
        found = element(place, 0)
        k.store(target, x, found if out.dtype == "int32" else cast(found, out.dtype))
    return {layer.name: RowKernel(k.symbol, (), code=Code.of(k), schedule="fallback")}


def _beats(layer: ArgMax, value: Expr, best: Expr) -> Expr:
    if layer.smallest:
        return value <= best if layer.last else value < best
    return value >= best if layer.last else value > best
