"""Reductions in plain loops: values gathered into sums (or extremes), then finished."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.reduce.layer import Reduce, reduced_count, sum_type
from edgemnv2.ops.reduce.rows import GATHER_SUFFIX
from edgemnv2.tir.builder import Builder, cast, load, maximum, minimum, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, even_facts, rescale

__all__ = ["kernels", "lowest_of"]

Expr = Any


def lowest_of(dtype: str) -> float:
    """The lowest finite value of a type."""
    info = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    return float(info.min)


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernels of `layer` by operation name."""
    assert isinstance(layer, Reduce)
    if 0 in layer.axes:
        return {
            layer.name + GATHER_SUFFIX: _gather_kernel(graph, layer),
            layer.name: _finish_kernel(graph, layer),
        }
    return {layer.name: _row_kernel(graph, layer)}


def _facts(graph: Graph, layer: Reduce) -> dict[str, Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    return {
        "function": layer.function,
        "axes": layer.axes,
        "in": (source.shape, source.dtype, zero_point_of(source)),
        "out": (out.dtype, zero_point_of(out)),
        "clamp": layer.clamp,
        "integer": layer.requantize is not None,
        **even_facts(layer.requantize),
        **({"sums": "float64"} if sum_type(source, layer) == "float64" else {}),
    }


def _begin(k: Builder, graph: Graph, layer: Reduce, sums: Any, count: Expr) -> None:
    """What the first value meets, for `count` sums."""
    compute = sum_type(graph.tensor_in(layer), layer)
    begin = 0.0
    if layer.function == "max":
        begin = lowest_of(compute)
    elif layer.function == "min":
        begin = -lowest_of(compute) if compute == "float32" else float(2**31 - 1)
    with k.loop(count) as i:
        k.store(sums, i, scalar(int(begin) if compute == "int32" else begin, compute))


def _gather(k: Builder, graph: Graph, layer: Reduce, row: Any, sums: Any) -> None:
    """One row of the input into the sums."""
    source = graph.tensor_in(layer)
    compute = sum_type(source, layer)
    channels = graph.tensor_out(layer).channels
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        base = scalar(0, "int32") if 1 in layer.axes else k.let(x * channels)
        with k.loop(source.channels) as c:
            value = load(row, start + c, source.dtype)
            value = value if source.dtype == compute else cast(value, compute)
            at = base if 2 in layer.axes else base + c
            before = load(sums, at, compute)
            if layer.function == "max":
                k.store(sums, at, maximum(before, value))
            elif layer.function == "min":
                k.store(sums, at, minimum(before, value))
            else:
                k.store(sums, at, before + value)


def _finish(k: Builder, graph: Graph, layer: Reduce, sums: Any, target: Any, table: Any) -> None:
    """Sums into a row of the output."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    compute = sum_type(source, layer)
    count = reduced_count(source, layer.axes)
    with k.loop(out.width * out.channels) as i:
        value = k.let(load(sums, i, compute))
        if layer.requantize is not None:
            centred = k.let(value - scalar(zero_point_of(source) * count, "int32"))
            numbers = load(table, 0, "int32"), load(table, 1, "int32")
            scaled = rescale(k, centred, *numbers, layer.requantize)
            value = k.let(scaled) + scalar(zero_point_of(out), "int32")
        elif layer.function == "mean":
            value = value / scalar(float(count), compute)
        value = cast(value, "float32") if compute == "float64" else value
        narrow = "int32" if compute == "int32" else "float32"
        k.store(target, i, clamped(value, layer.clamp, narrow, out.dtype))


def _factor(k: Builder, layer: Reduce) -> tuple[Any, tuple[Any, ...]]:
    if layer.requantize is None:
        return None, ()
    factor = layer.requantize
    words = np.array([factor.multiplier[0], factor.shift[0]], np.int32)
    return k.pointer("factor", "int32"), (words,)


def _row_kernel(graph: Graph, layer: Reduce) -> RowKernel:
    """`row_0, out, scratch, [factor]`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    compute = sum_type(source, layer)
    symbol = symbol_name("plain_reduce", _facts(graph, layer))
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    sums = k.pointer("scratch", compute)
    table, constants = _factor(k, layer)
    count = out.width * out.channels
    _begin(k, graph, layer, sums, scalar(count, "int32"))
    _gather(k, graph, layer, row, sums)
    _finish(k, graph, layer, sums, target, table)
    return RowKernel(
        symbol,
        constants,
        scratch_bytes=np.dtype(compute).itemsize * count,
        code=Code.of(k),
        schedule="fallback",
    )


def _gather_kernel(graph: Graph, layer: Reduce) -> RowKernel:
    """`row_0, sums, row number`: the first row begins the sums."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    symbol = symbol_name("plain_reduce_gather", _facts(graph, layer))
    k = Builder(symbol, scope="global")
    row = k.pointer("row0", source.dtype)
    sums = k.pointer("sums", sum_type(source, layer))
    number = k.number("row")
    count = scalar(out.width * out.channels, "int32")
    none = scalar(0, "int32")
    _begin(k, graph, layer, sums, tirx.Select(tirx.EQ(number, none), count, none))
    _gather(k, graph, layer, row, sums)
    return RowKernel(symbol, (), takes_row_number=True, code=Code.of(k), schedule="fallback")


def _finish_kernel(graph: Graph, layer: Reduce) -> RowKernel:
    """`sums, out, [factor]`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    symbol = symbol_name("plain_reduce_finish", _facts(graph, layer))
    k = Builder(symbol, scope="global")
    sums = k.pointer("sums", sum_type(source, layer))
    target = k.pointer("out", out.dtype)
    table, constants = _factor(k, layer)
    _finish(k, graph, layer, sums, target, table)
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")
