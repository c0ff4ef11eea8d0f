"""Functions of one value in plain loops: a table for integers, a formula for floats."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.unary import Unary
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["unary_kernel"]

Expr = Any


def unary_kernel(
    graph: Graph,
    layer: Layer,
    function: Callable[[Builder, Expr], Expr],
    facts: dict[str, Any] | None = None,
) -> dict[str, RowKernel]:
    """The row kernel by operation name: `row_0, out, [table]`.

    `function(builder, value)` of a float32 expression; `facts` tell one kernel from another.
    """
    assert isinstance(layer, Unary)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description = {
        "op": "table" if layer.table is not None else layer.op,
        "elements": out.width * out.channels,
        "dtypes": (source.dtype, out.dtype),
        **({} if layer.table is not None else facts or {}),
    }
    symbol = symbol_name("plain_unary", description)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    if layer.table is not None:
        constants = (layer.table.astype(out.dtype),)
        table = k.pointer("table", out.dtype)
        lowest = int(np.iinfo(source.dtype).min)
        with k.loop(out.width * out.channels) as i:
            at = cast(load(row, i, source.dtype), "int32") - scalar(lowest, "int32")
            k.store(target, i, load(table, at, out.dtype))
    else:
        with k.loop(out.width * out.channels) as i:
            value = load(row, i, source.dtype)
            value = value if source.dtype == "float32" else tirx.Cast("float32", value)
            result = function(k, k.let(value))
            k.store(target, i, result if out.dtype == "float32" else cast(result, out.dtype))
    return {layer.name: RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")}
