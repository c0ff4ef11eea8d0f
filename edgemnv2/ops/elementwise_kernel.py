"""Layers that turn one stored value into another, in plain loops over a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["conversion_kernel", "scale_of", "zero_point_of"]

Expr = Any
Array = Any


def zero_point_of(tensor: Tensor) -> int:
    """The zero point of a tensor, 0 for floats."""
    return 0 if tensor.quant is None else tensor.quant.zero_point


def scale_of(tensor: Tensor) -> float:
    """The scale of a tensor, 1 for floats."""
    return 1.0 if tensor.quant is None else tensor.quant.scale


def conversion_kernel(
    graph: Graph,
    layer: Layer,
    convert: Callable[[Builder, Expr, Any], Expr],
    facts: dict[str, Any],
    factor: Array | None = None,
) -> RowKernel:
    """`row_0, out, [factor]`: `convert(builder, value, factor buffer)` of every value of a row.

    `facts` tell one kernel of this operator from another; `factor` are int32 constants.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description: dict[str, Any] = {
        "op": layer.op,
        "elements": out.width * out.channels,
        "dtypes": (source.dtype, out.dtype),
        "zero": (zero_point_of(source), zero_point_of(out)),
        "scale": (scale_of(source), scale_of(out)),
        **facts,
    }
    symbol = symbol_name("plain_" + layer.op, description)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    table = None if factor is None else k.pointer("factor", "int32")
    with k.loop(out.width * out.channels) as i:
        value = load(row, i, source.dtype)
        k.store(target, i, convert(k, value, table))
    constants = () if factor is None else (factor,)
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")
