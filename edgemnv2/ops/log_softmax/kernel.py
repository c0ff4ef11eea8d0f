"""Log softmax in plain loops; integers as TFLite's reference kernel.

Source: TFLite `reference/log_softmax.h`. What depends on the distance from the maximum alone was
computed at compile time; the logarithm of the sum is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.log_softmax.layer import LogSoftmax
from edgemnv2.tir import fixed_point
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.exponential import exponential
from edgemnv2.tir.logarithm import logarithm
from edgemnv2.tir.requantize import clamped, rescale, wide

__all__ = ["kernels"]

Expr = Any
SUM_BITS = 12
OUTPUT_SHIFT = 31 - 5 - 4


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel by operation name: `row_0, out, [exp_table, distances, limits]`."""
    assert isinstance(layer, LogSoftmax)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description = {"in": (source.width, source.channels, source.dtype), "out": out.dtype}
    symbol = symbol_name("plain_log_softmax", description)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    tables: list[Any] = []
    if layer.exp_table is not None:
        assert layer.distances is not None and layer.back is not None
        back = (int(layer.back.multiplier[0]), int(layer.back.shift[0]))
        limits = np.array([-layer.furthest - 1, *back], np.int32)
        constants = (layer.exp_table.astype(np.int32), layer.distances.astype(np.int32), limits)
        tables = [k.pointer(name, "int32") for name in ("exp_table", "distances", "limits")]
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        if tables:
            dtypes = source.dtype, out.dtype
            _integer_pixel(k, row, target, tables, start, source.channels, dtypes)
        else:
            _float_pixel(k, row, target, start, source.channels)
    return {layer.name: RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")}


def _float_pixel(k: Builder, row: Any, target: Any, start: Expr, channels: int) -> None:
    most, total = k.registers("float32", 1), k.registers("float32", 1)
    k.set(most, 0, load(row, start, "float32"))
    with k.loop(channels) as c:
        k.set(most, 0, tirx.Max(element(most, 0), load(row, start + c, "float32")))
    k.set(total, 0, scalar(0.0, "float32"))
    with k.loop(channels) as c:
        below = k.let(load(row, start + c, "float32") - element(most, 0))
        k.set(total, 0, element(total, 0) + exponential(k, below))
    log = k.let(logarithm(k, element(total, 0)))
    with k.loop(channels) as c:
        below = load(row, start + c, "float32") - element(most, 0)
        k.store(target, start + c, below - log)


def _integer_pixel(
    k: Builder,
    row: Any,
    target: Any,
    tables: list[Any],
    start: Expr,
    channels: int,
    dtypes: tuple[str, str],
) -> None:
    exp_table, distances, limits = tables
    most, total = k.registers("int32", 1), k.registers("int64", 1)

    def value_at(c: Expr) -> Expr:
        return cast(load(row, start + c, dtypes[0]), "int32")

    k.set(most, 0, scalar(int(np.iinfo(dtypes[0]).min), "int32"))
    with k.loop(channels) as c:
        k.set(most, 0, tirx.Max(element(most, 0), value_at(c)))
    k.set(total, 0, wide(0))
    half = wide(1 << (SUM_BITS - 1))
    with k.loop(channels) as c:
        power = load(exp_table, element(most, 0) - value_at(c), "int32")
        k.set(total, 0, element(total, 0) + ((cast(power, "int64") + half) >> wide(SUM_BITS)))
    log = fixed_point.logarithm(k, element(total, 0), SUM_BITS)
    furthest, multiplier, shift = (k.let(load(limits, i, "int32")) for i in range(3))
    above = k.let(cast(log - wide(2**31), "int32"))
    least = k.let(tirx.Max(furthest, k.let(rescale(k, above, multiplier, shift))))
    info = np.iinfo(dtypes[1])
    with k.loop(channels) as c:
        distance = k.let(element(most, 0) - value_at(c))
        difference = cast(load(distances, distance, "int32"), "int64") - log
        rounded = cast(fixed_point.divide_by_pot(k.let(difference), wide(OUTPUT_SHIFT)), "int32")
        moved = k.let(rounded + scalar(int(info.max), "int32"))
        lowest = scalar(int(info.min), "int32")
        chosen = tirx.Select(scalar(0, "int32") - distance > least, moved, lowest)
        clamp = (float(info.min), float(info.max))
        k.store(target, start + c, clamped(chosen, clamp, "int32", dtypes[1]))
