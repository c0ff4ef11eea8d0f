"""Softmax in plain loops; integer as TFLite's reference kernel, with its exponentials in a table.

Source: TFLite `reference/softmax.h` and gemmlowp `fixedpoint.h`. What depends on the distance from
the maximum alone (256 values) was computed at compile time; the reciprocal of the sum is left.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.arithmetic.onnx import quotient_bits
from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.exponential import exponential
from edgemnv2.tir.fixed_point import keep, leading_zeros, reciprocal
from edgemnv2.tir.requantize import clamped, srdhm, wide

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
        **({} if layer.beta == 1 else {"beta": layer.beta}),
        **({} if layer.inverse is None else {"inverse": layer.inverse, "to": out.quant}),
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
            _float_pixel(k, row, target, start, source.channels, layer.beta)
        elif layer.inverse is not None:
            _quotients(k, row, target, table, start, source, out, layer.inverse)
        else:
            _integer_pixel(k, row, target, table, start, source.channels, source.dtype, out.dtype)
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")


def _float_pixel(
    k: Builder, row: Any, target: Any, start: Expr, channels: int, beta: float
) -> None:
    biggest, total = k.registers("float32", 1), k.registers("float32", 1)
    k.set(biggest, 0, load(row, start, "float32"))
    with k.loop(channels) as c:
        k.set(biggest, 0, tirx.Max(element(biggest, 0), load(row, start + c, "float32")))
    k.set(total, 0, scalar(0.0, "float32"))
    with k.loop(channels) as c:
        below = load(row, start + c, "float32") - element(biggest, 0)
        below = k.let(below if beta == 1 else below * scalar(beta, "float32"))
        power = k.let(exponential(k, below))
        k.store(target, start + c, power)
        k.set(total, 0, element(total, 0) + power)
    with k.loop(channels) as c:
        k.store(target, start + c, load(target, start + c, "float32") / element(total, 0))


def _quotients(
    k: Builder,
    row: Any,
    target: Any,
    table: Any,
    start: Expr,
    source: Tensor,
    out: Tensor,
    inverse: tuple[int, int],
) -> None:
    """ONNX's: quotients of few bits, which long division has sooner than a library."""
    number, bits = inverse
    biggest, total = k.registers("int32", 1), k.registers("int64", 1)
    k.set(biggest, 0, scalar(int(np.iinfo(source.dtype).min), "int32"))
    with k.loop(source.channels) as c:
        value = cast(load(row, start + c, source.dtype), "int32")
        k.set(biggest, 0, tirx.Max(element(biggest, 0), value))

    def power_of(c: Expr) -> Expr:
        distance = element(biggest, 0) - cast(load(row, start + c, source.dtype), "int32")
        return cast(load(table, distance, "int32"), "int64")

    k.set(total, 0, wide(0))
    with k.loop(source.channels) as c:
        k.set(total, 0, element(total, 0) + power_of(c))
    whole = k.let(element(total, 0) << wide(bits))
    info = np.iinfo(out.dtype)
    left, quotient = k.registers("int64", 1), k.registers("int32", 1)
    with k.loop(source.channels) as c:
        k.set(left, 0, power_of(c) * wide(2 * number) + whole)
        k.set(quotient, 0, scalar(0, "int32"))
        for bit in reversed(range(quotient_bits(inverse))):
            part = k.let(whole << wide(bit + 1))
            fits = k.let(cast(element(left, 0) >= part, "int32"))
            k.set(left, 0, element(left, 0) - part * cast(fits, "int64"))
            k.set(quotient, 0, element(quotient, 0) + (fits << scalar(bit, "int32")))
        # Nothing left: it was a half, which went up.
        half = k.let(cast(tirx.EQ(element(left, 0), wide(0)), "int32"))
        rounded = element(quotient, 0) - (element(quotient, 0) & half)
        moved = rounded + scalar(zero_point_of(out), "int32")
        limits = (float(info.min), float(info.max))
        k.store(target, start + c, clamped(k.let(moved), limits, "int32", out.dtype))


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
    # gemmlowp's GetReciprocal: of the sum from 1 to 2, and its exponent.
    headroom, normal = leading_zeros(k, cast(element(total, 0), "int64"))
    inverse = reciprocal(k, normal >> wide(1))
    over = keep(k, wide(INTEGER_BITS) - headroom)
    info = np.iinfo(dtype_out)
    with k.loop(channels) as c:
        product = srdhm(inverse, cast(power_of(c), "int64"))
        right = over + wide(31 - 8)
        rounded = k.let((product + ((wide(1) << right) >> wide(1))) >> right)
        moved = rounded + wide(int(info.min))
        limited = tirx.Min(tirx.Max(moved, wide(int(info.min))), wide(int(info.max)))
        k.store(target, start + c, cast(limited, dtype_out))
