"""Softmax in plain loops; integer as TFLite's reference kernel, with its exponentials in a table.

Source: TFLite `reference/softmax.h` and gemmlowp `fixedpoint.h`. What depends on the distance from
the maximum alone (256 values) was computed at compile time; the reciprocal of the sum is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.exponential import exponential
from edgemnv2.tir.requantize import srdhm, wide

__all__ = ["kernels"]

Expr = Any
INTEGER_BITS = 12
"""Of TFLite's accumulator of exponentials, `kAccumulationIntegerBits`."""


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Softmax)
    return {layer.name: softmax_kernel(graph, layer)}


def softmax_kernel(graph: Graph, layer: Softmax) -> RowKernel:
    """`row_0, out, [exp_table]`, over the channels of each pixel."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description = {
        "in": (source.width, source.channels, source.dtype),
        "out": out.dtype,
    }
    symbol = symbol_name("plain_softmax", description)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    table: Any = None
    if layer.exp_table is not None:
        constants = (np.ascontiguousarray(layer.exp_table, np.int32),)
        table = k.pointer("exp_table", "int32")
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        if table is None:
            _float_pixel(k, row, target, start, source.channels)
        else:
            _integer_pixel(k, row, target, table, start, source.channels, source.dtype, out.dtype)
    return RowKernel(symbol, constants, prim_func=k.function(), schedule="fallback")


def _float_pixel(k: Builder, row: Any, target: Any, start: Expr, channels: int) -> None:
    biggest, total = k.registers("float32", 1), k.registers("float32", 1)
    k.set(biggest, 0, load(row, start, "float32"))
    with k.loop(channels) as c:
        k.set(biggest, 0, tirx.Max(element(biggest, 0), load(row, start + c, "float32")))
    k.set(total, 0, scalar(0.0, "float32"))
    with k.loop(channels) as c:
        power = k.let(exponential(k, k.let(load(row, start + c, "float32") - element(biggest, 0))))
        k.store(target, start + c, power)
        k.set(total, 0, element(total, 0) + power)
    with k.loop(channels) as c:
        k.store(target, start + c, load(target, start + c, "float32") / element(total, 0))


def _integer_pixel(
    k: Builder,
    row: Any,
    target: Any,
    table: Any,
    start: Expr,
    channels: int,
    dtype_in: str,
    dtype_out: str,
) -> None:
    biggest, total = k.registers("int32", 1), k.registers("int32", 1)
    k.set(biggest, 0, scalar(int(np.iinfo(dtype_in).min), "int32"))
    with k.loop(channels) as c:
        value = cast(load(row, start + c, dtype_in), "int32")
        k.set(biggest, 0, tirx.Max(element(biggest, 0), value))

    def power_of(c: Expr) -> Expr:
        distance = element(biggest, 0) - cast(load(row, start + c, dtype_in), "int32")
        return load(table, distance, "int32")

    k.set(total, 0, scalar(0, "int32"))
    half = wide(1 << (INTEGER_BITS - 1))
    with k.loop(channels) as c:
        # RoundingDivideByPOT of a number that is never negative; the sum may need all 32 bits.
        scaled = (cast(power_of(c), "int64") + half) >> wide(INTEGER_BITS)
        k.set(total, 0, element(total, 0) + cast(scaled, "int32"))
    reciprocal, over = _reciprocal(k, cast(element(total, 0), "int64"))
    info = np.iinfo(dtype_out)
    with k.loop(channels) as c:
        product = srdhm(reciprocal, cast(power_of(c), "int64"))
        right = over + wide(31 - 8)
        rounded = k.let((product + ((wide(1) << right) >> wide(1))) >> right)
        moved = rounded + wide(int(info.min))
        limited = tirx.Min(tirx.Max(moved, wide(int(info.min))), wide(int(info.max)))
        k.store(target, start + c, cast(limited, dtype_out))


def _reciprocal(k: Builder, total: Expr) -> tuple[Expr, Expr]:
    """gemmlowp's `GetReciprocal`: Q0.31 reciprocal of the normalised sum, and its exponent.

    `total` > 0, an int64 expression with an int32 value of `INTEGER_BITS` integer bits.
    """

    # Each number goes through a local variable: TVM's simplifier would otherwise inline the whole
    # chain into itself and not come back.
    def keep(value: Expr) -> Expr:
        cell = k.registers("int64", 1)
        k.set(cell, 0, value)
        return element(cell, 0)

    normal = keep(total)
    headroom = keep(wide(0))
    # Count the leading zeros of the 32-bit value by halving.
    for bits in (16, 8, 4, 2, 1):
        small = normal < wide(1 << (32 - bits))
        headroom = keep(headroom + tirx.Select(small, wide(bits), wide(0)))
        normal = keep(tirx.Select(small, normal << wide(bits), normal))
    # Newton-Raphson for 1 / (1 + fraction), three steps, Q2.29 (constants 48/17 and -32/17).
    # The half denominator is RoundingHalfSum(normal - 2**31, 2**31 - 1).
    half_denominator = keep(normal >> wide(1))
    guess = keep(wide(1515870810) + srdhm(half_denominator, wide(-1010580540)))
    for _ in range(3):
        error = keep(wide(1 << 29) - srdhm(half_denominator, guess))
        guess = keep(guess + _saturated(srdhm(guess, error) << wide(2)))
    return keep(_saturated(guess << wide(1))), keep(wide(INTEGER_BITS) - headroom)


def _saturated(value: Expr) -> Expr:
    return tirx.Min(tirx.Max(value, wide(-(2**31))), wide(2**31 - 1))
