"""Elementwise layers in plain loops: residual add, rescale, quantize, dequantize."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.graph import Add, Dequantize, Graph, Layer, Quantize, Rescale, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.requantize import clamped, rescale

__all__ = ["add_kernel", "convert_kernel"]

Expr = Any


def _zero_point(tensor: Tensor) -> int:
    return 0 if tensor.quant is None else tensor.quant.zero_point


def _scale(tensor: Tensor) -> float:
    return 1.0 if tensor.quant is None else tensor.quant.scale


def add_kernel(graph: Graph, layer: Add) -> RowKernel:
    """`row_0, row_1, out, factors`; `out` may be one of the rows."""
    a, b = graph.tensor_in(layer, 0), graph.tensor_in(layer, 1)
    out = graph.tensor_out(layer)
    factors = np.zeros(0, np.int32)
    if layer.rescale is not None:
        pairs = [(factor.multiplier[0], factor.shift[0]) for factor in layer.rescale]
        factors = np.array(pairs, np.int32).reshape(-1)
    description = {
        "elements": out.width * out.channels,
        "dtypes": (a.dtype, b.dtype, out.dtype),
        "zero": (_zero_point(a), _zero_point(b), _zero_point(out)),
        "integer": layer.rescale is not None,
        "left_shift": layer.left_shift,
        "clamp": layer.clamp,
    }
    symbol = symbol_name("plain_add", description)
    # Not noalias: the output row may be an input row.
    k = Builder(symbol, noalias=False, scope="global")
    row_a, row_b = k.pointer("row0", a.dtype), k.pointer("row1", b.dtype)
    target = k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    if layer.rescale is None:
        with k.loop(out.width * out.channels) as i:
            total = load(row_a, i, a.dtype) + load(row_b, i, b.dtype)
            k.store(target, i, clamped(total, layer.clamp, "float32", out.dtype))
    else:
        constants = (factors,)
        table = k.pointer("factors", "int32")
        numbers = [k.let(load(table, i, "int32")) for i in range(6)]
        with k.loop(out.width * out.channels) as i:
            parts = []
            for row, tensor, at in ((row_a, a, 0), (row_b, b, 2)):
                value = cast(load(row, i, tensor.dtype), "int32")
                value = value - scalar(_zero_point(tensor), "int32")
                value = k.let(value << scalar(layer.left_shift, "int32"))
                parts.append(k.let(rescale(k, value, numbers[at], numbers[at + 1])))
            total = rescale(k, k.let(parts[0] + parts[1]), numbers[4], numbers[5])
            total = k.let(total + scalar(_zero_point(out), "int32"))
            k.store(target, i, clamped(total, layer.clamp, "int32", out.dtype))
    return RowKernel(symbol, constants, prim_func=k.function(), schedule="fallback")


def convert_kernel(graph: Graph, layer: Layer) -> RowKernel:
    """`row_0, out` of Rescale, Quantize or Dequantize."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    description: dict[str, Any] = {
        "op": layer.op,
        "elements": out.width * out.channels,
        "dtypes": (source.dtype, out.dtype),
        "zero": (_zero_point(source), _zero_point(out)),
        "scale": (_scale(source), _scale(out)),
    }
    constants: tuple[Any, ...] = ()
    if isinstance(layer, Rescale):
        description["clamp"] = layer.clamp
        constants = (
            np.array([layer.requantize.multiplier[0], layer.requantize.shift[0]], np.int32),
        )
    elif isinstance(layer, Quantize):
        description["rounding"] = layer.rounding
    symbol = symbol_name("plain_" + layer.op, description)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    table = k.pointer("factor", "int32") if constants else None
    with k.loop(out.width * out.channels) as i:
        value = load(row, i, source.dtype)
        k.store(target, i, _converted(k, layer, source, out, value, table))
    return RowKernel(symbol, constants, prim_func=k.function(), schedule="fallback")


def _converted(
    k: Builder, layer: Layer, source: Tensor, out: Tensor, value: Expr, table: Any
) -> Expr:
    if isinstance(layer, Rescale):
        centred = k.let(cast(value, "int32") - scalar(_zero_point(source), "int32"))
        scaled = rescale(k, centred, load(table, 0, "int32"), load(table, 1, "int32"))
        moved = k.let(scaled) + scalar(_zero_point(out), "int32")
        return clamped(moved, layer.clamp, "int32", out.dtype)
    if isinstance(layer, Dequantize):
        centred = cast(value, "int32") - scalar(_zero_point(source), "int32")
        return cast(centred, "float32") * scalar(_scale(source), "float32")
    assert isinstance(layer, Quantize)  # the caller dispatches on the type
    info = np.iinfo(out.dtype)
    divided = k.let(value / scalar(_scale(out), "float32"))
    # Beyond int32 the conversion is undefined; far beyond the clamp nothing changes.
    limited = k.let(tirx.Min(tirx.Max(divided, _float(-65536.0)), _float(65536.0)))
    rounded = _rounded(k, limited, layer.rounding)
    moved = rounded + scalar(_zero_point(out), "int32")
    return clamped(moved, (float(info.min), float(info.max)), "int32", out.dtype)


def _float(value: float) -> Expr:
    return scalar(value, "float32")


def _rounded(k: Builder, value: Expr, rounding: str) -> Expr:
    """int32 nearest to a float32 expression; halves away from zero or to even."""
    # Conversion truncates; the remainder is exact in float32 for these magnitudes.
    whole = k.let(cast(value, "int32"))
    rest = k.let(value - cast(whole, "float32"))
    one, zero = scalar(1, "int32"), scalar(0, "int32")
    half = _float(0.5)
    if rounding == "away":
        up = tirx.Select(rest >= half, one, zero)
        down = tirx.Select(rest <= _float(-0.5), one, zero)
    else:
        odd = whole & one
        up = tirx.Select(rest > half, one, tirx.Select(tirx.EQ(rest, half), odd, zero))
        down = tirx.Select(
            rest < _float(-0.5), one, tirx.Select(tirx.EQ(rest, _float(-0.5)), odd, zero)
        )
    return whole + up - down
