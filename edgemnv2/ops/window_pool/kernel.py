"""Windowed pooling in plain loops: pixel by pixel, the channels innermost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.window_pool.layer import AveragePool, MaxPool, Window, axis_counts
from edgemnv2.tir.builder import Builder, cast, load, maximum, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.columns import columns_inside
from edgemnv2.tir.requantize import clamped, even_facts, rescale

__all__ = ["kernels"]

Array = Any
Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    if isinstance(layer, MaxPool):
        return {layer.name: _max_kernel(graph, layer)}
    assert isinstance(layer, AveragePool)
    return {layer.name: _average_kernel(graph, layer)}


def _begin(graph: Graph, layer: Window, kind: str, **more: Any) -> tuple[Builder, list[Any], Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    facts = {
        "in": (source.shape, source.dtype, zero_point_of(source)),
        "out": (out.shape, out.dtype, zero_point_of(out)),
        "kernel": layer.kernel,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "clamp": layer.clamp,
        **more,
    }
    k = Builder(symbol_name(kind, facts), scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(layer.kernel[0])]
    return k, rows, k.pointer("out", out.dtype)


def _each_value(
    k: Builder,
    graph: Graph,
    layer: Window,
    rows: list[Any],
    x: Expr,
    body: Callable[[Expr, Expr], None],
) -> None:
    """`body(channel, value)` for every element under the window of output column `x`."""
    source = graph.tensor_in(layer)
    apart = layer.dilation[1]
    seen = columns_inside(
        k,
        x,
        stride=layer.stride[1],
        left=layer.padding[1],
        kernel=layer.kernel[1],
        dilation=apart,
        width=source.width,
    )
    for row in rows:
        with k.loop(seen.count) as i:
            at = k.let((seen.start + (seen.low + i) * apart) * source.channels)
            with k.loop(source.channels) as c:
                body(c, load(row, at + c, source.dtype))


def _max_kernel(graph: Graph, layer: MaxPool) -> RowKernel:
    """`row_0 .. row_{KH-1}, out`: the output's row holds the largest so far."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    k, rows, target = _begin(graph, layer, "plain_max_pool")
    info = np.finfo(out.dtype) if out.dtype.startswith("float") else np.iinfo(out.dtype)
    least = float(info.min)
    lowest = scalar(least if out.dtype.startswith("float") else int(least), out.dtype)
    with k.loop(out.width) as x:
        base = k.let(x * out.channels)
        with k.loop(out.channels) as c:
            k.store(target, base + c, lowest)

        def take(c: Expr, value: Expr, base: Expr = base) -> None:
            value = value if source.dtype == out.dtype else cast(value, out.dtype)
            k.store(target, base + c, maximum(load(target, base + c, out.dtype), value))

        _each_value(k, graph, layer, rows, x, take)
        if layer.clamp[0] > info.min or layer.clamp[1] < info.max:
            compute = "float32" if out.dtype.startswith("float") else "int32"
            with k.loop(out.channels) as c:
                value = load(target, base + c, out.dtype)
                value = value if out.dtype == compute else cast(value, compute)
                k.store(target, base + c, clamped(value, layer.clamp, compute, out.dtype))
    return RowKernel(k.symbol, (), code=Code.of(k), schedule="fallback")


def _average_kernel(graph: Graph, layer: AveragePool) -> RowKernel:
    """`row_0 .. row_{KH-1}, out, row number, scratch, counts, [factors]`.

    Scratch holds a sum per channel. `counts` are those of every row, then of every column; with
    factors, then those that lie in the map itself.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    compute = "float32" if source.dtype.startswith("float") else "int32"
    more = {"counted": layer.counted, "integer": layer.requantize is not None}
    more |= even_facts(layer.requantize)
    k, rows, target = _begin(graph, layer, "plain_average_pool", **more)
    number, sums = k.number("row"), k.pointer("scratch", compute)
    counts = k.pointer("counts", "int32")
    top, left, bottom, right = layer.counted
    parts = [
        axis_counts(layer, 0, source.height, out.height, top, bottom),
        axis_counts(layer, 1, source.width, out.width, left, right),
    ]
    constants: list[Array] = []
    factors: Any = None
    if layer.requantize is not None:
        factors = k.pointer("factors", "int32")
        parts.append(axis_counts(layer, 0, source.height, out.height, 0, 0))
        parts.append(axis_counts(layer, 1, source.width, out.width, 0, 0))
        both = np.stack([layer.requantize.multiplier, layer.requantize.shift], axis=1)
        constants.append(np.ascontiguousarray(both.reshape(-1), np.int32))
    constants.insert(0, np.concatenate(parts))
    behind = out.height + out.width
    with k.loop(out.width) as x:
        with k.loop(out.channels) as c:
            k.store(sums, c, scalar(0 if compute == "int32" else 0.0, compute))

        def take(c: Expr, value: Expr) -> None:
            value = value if source.dtype == compute else cast(value, compute)
            k.store(sums, c, load(sums, c, compute) + value)

        _each_value(k, graph, layer, rows, x, take)
        base = k.let(x * out.channels)
        count = load(counts, number, "int32") * load(counts, x + out.height, "int32")
        count = k.let(tirx.Max(count, scalar(1, "int32")))
        removed: Expr = None
        if factors is not None:
            inside = load(counts, number + behind, "int32")
            inside = inside * load(counts, x + (behind + out.height), "int32")
            removed = k.let(inside * scalar(zero_point_of(source), "int32"))
        with k.loop(out.channels) as c:
            total = k.let(load(sums, c, compute))
            if compute == "float32":
                value = total / cast(count, "float32")
            elif factors is None:
                # TFLite's AVERAGE_POOL_2D: half the count towards the sign, then truncation.
                zero, half = scalar(0, "int32"), tirx.truncdiv(count, scalar(2, "int32"))
                nudged = k.let(tirx.Select(total > zero, total + half, total - half))
                value = k.let(tirx.truncdiv(nudged, count))
            else:
                at = k.let((count - 1) * 2)
                multiplier, shift = load(factors, at, "int32"), load(factors, at + 1, "int32")
                assert layer.requantize is not None
                centred = k.let(total - removed)
                scaled = rescale(k, centred, multiplier, shift, layer.requantize)
                value = k.let(scaled) + scalar(zero_point_of(out), "int32")
            k.store(target, base + c, clamped(value, layer.clamp, compute, out.dtype))
    return RowKernel(
        k.symbol,
        tuple(constants),
        scratch_bytes=4 * out.channels,
        takes_row_number=True,
        code=Code.of(k),
        schedule="fallback",
    )
