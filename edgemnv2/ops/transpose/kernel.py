"""Transposing in plain loops: the whole map at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.transpose.layer import Transpose
from edgemnv2.tir.builder import Builder, index, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `map, out`."""
    assert isinstance(layer, Transpose)
    out = graph.tensor_out(layer)
    facts = {"memory": layer.memory, "axes": layer.axes, "dtype": out.dtype}
    symbol = symbol_name("plain_transpose", facts)
    k = Builder(symbol, scope="global")
    source, target = k.pointer("map", out.dtype), k.pointer("out", out.dtype)
    strides = [int(np.prod(layer.memory[axis + 1 :])) for axis in range(len(layer.memory))]

    def nest(axes: tuple[int, ...], read: Expr, write: Expr) -> None:
        if not axes:
            k.store(target, write, load(source, read, out.dtype))
            return
        extent = layer.memory[axes[0]]
        with k.loop(extent) as i:
            nest(axes[1:], k.let(read + i * strides[axes[0]]), k.let(write * extent + i))

    nest(layer.axes, index(0), index(0))
    return {
        layer.name: RowKernel(
            symbol,
            (),
            code=Code.of(k),
            schedule="fallback",
            rows_per_step=out.height,
        )
    }
