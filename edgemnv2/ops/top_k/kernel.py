"""The largest values in plain loops: each is the best of those behind the one before it."""

from __future__ import annotations

from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.top_k.layer import TopK
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, out`."""
    assert isinstance(layer, TopK)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    facts = {
        "in": (source.width, source.channels, source.dtype),
        "out": (out.channels, out.dtype),
        "numbers": layer.numbers,
        "smallest": layer.smallest,
    }
    k = Builder(symbol_name("plain_top_k", facts), scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    last, best = (k.registers(source.dtype, 1) for _ in range(2))
    last_place, place = (k.registers("int32", 1) for _ in range(2))
    none = scalar(-1, "int32")
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        k.set(last, 0, load(row, start, source.dtype))
        k.set(last_place, 0, none)
        with k.loop(out.channels) as number:
            k.set(best, 0, load(row, start, source.dtype))
            k.set(place, 0, none)
            with k.loop(source.channels) as c:
                value = k.let(load(row, start + c, source.dtype))
                before, least = element(last, 0), element(best, 0)
                worse = value > before if layer.smallest else value < before
                behind = tirx.And(tirx.EQ(value, before), c > element(last_place, 0))
                left = tirx.Or(element(last_place, 0) < 0, tirx.Or(worse, behind))
                better = value < least if layer.smallest else value > least
                taken = tirx.And(left, tirx.Or(element(place, 0) < 0, better))
                taken = k.let(tirx.Select(taken, scalar(1, "int32"), scalar(0, "int32")))
                k.set(best, 0, tirx.Select(taken > 0, value, element(best, 0)))
                k.set(place, 0, tirx.Select(taken > 0, c, element(place, 0)))
            k.set(last, 0, element(best, 0))
            k.set(last_place, 0, element(place, 0))
            found = element(place, 0) if layer.numbers else element(best, 0)
            kept = out.dtype == ("int32" if layer.numbers else source.dtype)
            k.store(target, x * out.channels + number, found if kept else cast(found, out.dtype))
    return {layer.name: RowKernel(k.symbol, (), code=Code.of(k), schedule="fallback")}
