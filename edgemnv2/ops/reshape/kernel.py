"""Reshaping in plain loops: a copy of the whole map."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `map, out`."""
    out = graph.tensor_out(layer)
    symbol = symbol_name("plain_reshape", {"elements": prod(out.shape), "dtype": out.dtype})
    k = Builder(symbol, scope="global")
    source, target = k.pointer("map", out.dtype), k.pointer("out", out.dtype)
    with k.loop(prod(out.shape)) as i:
        k.store(target, i, load(source, i, out.dtype))
    return {
        layer.name: RowKernel(
            symbol,
            (),
            code=Code.of(k),
            schedule="fallback",
            rows_per_step=out.height,
        )
    }
