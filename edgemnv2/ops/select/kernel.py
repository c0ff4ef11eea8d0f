"""Selecting in plain loops: progressions are computed, other index lists are tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.select.layer import Select
from edgemnv2.ops.select.progression import progression
from edgemnv2.tir.builder import Builder, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0 or map, out, [row,] tables`."""
    assert isinstance(layer, Select)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    whole = progression(layer.rows) is None
    facts = {
        "rows": layer.rows if whole else None,
        "columns": layer.columns,
        "channels": layer.channels,
        "in": (source.width, source.channels, source.dtype),
    }
    symbol = symbol_name("plain_select", facts)
    k = Builder(symbol, scope="global")
    data, target = k.pointer("data", source.dtype), k.pointer("out", out.dtype)
    number = k.number("row") if whole else None
    tables: dict[str, Any] = {}
    constants: list[Any] = []
    for name in ("rows", "columns", "channels"):
        indices = getattr(layer, name)
        if progression(indices) is None:
            constants.append(np.array(indices, np.int32))
            tables[name] = k.pointer(name, "int32")

    def at(name: str, i: Expr) -> Expr:
        if name in tables:
            return load(tables[name], i, "int32")
        found = progression(getattr(layer, name))
        assert found is not None
        first, step = found
        return i * step + first

    base: Expr = 0
    if whole:
        base = k.let(at("rows", number) * (source.width * source.channels))
    with k.loop(out.width) as x:
        column = k.let(at("columns", x) * source.channels + base)
        with k.loop(out.channels) as c:
            k.store(target, x * out.channels + c, load(data, column + at("channels", c), out.dtype))
    kernel = RowKernel(
        symbol,
        tuple(constants),
        code=Code.of(k),
        schedule="fallback",
        takes_row_number=whole,
    )
    return {layer.name: kernel}
