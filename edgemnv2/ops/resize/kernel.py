"""Resizing in plain loops: positions and weights from tables, rows by their number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.resize.layer import FIXED_BITS, Resize
from edgemnv2.ops.resize.rows import are_direct, line_of
from edgemnv2.ops.values import quant_of
from edgemnv2.tir.builder import Builder, cast, constant, load, reinterpret, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.settled import Settled

__all__ = ["even_parity", "is_rounded_next", "kernels", "to_even"]

Array = NDArray[Any]
Expr = Any
MANTISSA_REST = 29
"""Bits that a float64 has more than a float32 behind the point."""


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name.

    `row_0 .. row_{n-1}, out, row number, [scratch], tables`.
    """
    assert isinstance(layer, Resize)
    make = _linear_kernel if layer.is_linear else _nearest_kernel
    return {layer.name: make(graph, layer)}


def _begin(graph: Graph, layer: Resize, **more: Any) -> tuple[Builder, list[Any], Any, Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    line = line_of(layer, source.height)
    facts = {"in": source.shape, "out": out.shape, "dtype": (source.dtype, out.dtype)}
    k = Builder(symbol_name("plain_resize", {**facts, "line": line, **more}), scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(line.window)]
    return k, rows, k.pointer("out", out.dtype), k.number("row")


def _pointers(graph: Graph, layer: Resize) -> Array:
    """int32 `[OH, taps]`: which of the row pointers is the row that the table names."""
    line = line_of(layer, graph.tensor_in(layer).height)
    first = line.first(len(layer.rows))[:, np.newaxis]
    return np.ascontiguousarray(layer.rows - first, np.int32)


def _when(condition: Expr, count: int) -> Expr:
    """`count` where the condition holds, else no turn of a loop."""
    return tirx.Select(condition, scalar(count, "int32"), scalar(0, "int32"))


def _nearest_kernel(graph: Graph, layer: Resize) -> RowKernel:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    k, rows, target, number = _begin(graph, layer)
    down, across = k.pointer("down", "int32"), k.pointer("across", "int32")
    chosen = k.let(load(down, number, "int32"))
    for index, row in enumerate(rows):
        with k.loop(_when(tirx.EQ(chosen, scalar(index, "int32")), out.width)) as x:
            at = k.let(load(across, x, "int32") * source.channels)
            to = k.let(x * out.channels)
            with k.loop(out.channels) as c:
                value = load(row, at + c, source.dtype)
                value = value if source.dtype == out.dtype else cast(value, out.dtype)
                k.store(target, to + c, value)
    constants = (_pointers(graph, layer).reshape(-1), layer.columns.reshape(-1))
    return RowKernel(
        k.symbol, constants, takes_row_number=True, code=Code.of(k), schedule="fallback"
    )


def _linear_kernel(graph: Graph, layer: Resize) -> RowKernel:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    assert layer.row_weights is not None and layer.column_weights is not None
    weight_dtype = str(layer.row_weights.dtype)
    direct = are_direct(layer, source.height)
    even = even_parity(graph, layer)
    facts: dict[str, Any] = {} if even is None else {"even": even}
    facts |= {"settled": True} if is_rounded_next(graph, layer) else {}
    facts |= {"rounding": layer.rounding} if layer.rounding == "zero" else {}
    k, rows, target, number = _begin(graph, layer, weights=weight_dtype, direct=direct, **facts)
    pitch = source.width * source.channels
    scratch = None if direct else k.pointer("scratch", source.dtype)
    pointers = k.pointer("pointers", "int32")
    down, across = k.pointer("down", weight_dtype), k.pointer("across", weight_dtype)
    columns = k.pointer("columns", "int32")
    settled = Settled(k, k.pointer("zero", "int64")) if is_rounded_next(graph, layer) else None
    lines: list[tuple[Any, int]] = [(rows[0], 0), (rows[-1], 0)]
    if scratch is not None:
        lines = [(scratch, 0), (scratch, pitch)]
        for tap in (0, 1):
            chosen = k.let(load(pointers, number * 2 + tap, "int32"))
            for index, row in enumerate(rows):
                with k.loop(_when(tirx.EQ(chosen, scalar(index, "int32")), pitch)) as i:
                    k.store(scratch, i + tap * pitch, load(row, i, source.dtype))
    below = [k.let(load(down, number * 2 + tap, weight_dtype)) for tap in (0, 1)]
    with k.loop(out.width) as x:
        right = [k.let(load(across, x * 2 + tap, weight_dtype)) for tap in (0, 1)]
        places = [k.let(load(columns, x * 2 + tap, "int32") * source.channels) for tap in (0, 1)]
        to = k.let(x * out.channels)
        with k.loop(out.channels) as c:
            values = [
                [load(line, places[column] + (c + start), source.dtype) for line, start in lines]
                for column in (0, 1)
            ]
            if layer.rounding == "zero":
                made = _truncated(k, values, below, right, out.dtype)
            else:
                types = weight_dtype, source.dtype, out.dtype
                made = _between(k, values, below, right, types, even, settled)
            k.store(target, to + c, made)
    return RowKernel(
        k.symbol,
        (
            _pointers(graph, layer).reshape(-1),
            layer.row_weights.reshape(-1),
            layer.column_weights.reshape(-1),
            layer.columns.reshape(-1),
            *([] if settled is None else [np.zeros(1, np.int64)]),
        ),
        scratch_bytes=0 if direct else 2 * pitch * source.itemsize,
        takes_row_number=True,
        code=Code.of(k),
        schedule="fallback",
    )


def is_rounded_next(graph: Graph, layer: Resize) -> bool:
    """Whether its floats become integers, whose halves hang on the last bits of floats."""
    if graph.tensor_out(layer).dtype != "float32" or not layer.is_linear:
        return False
    return any(x.op == "quantize" for x in graph.layers if layer.output in x.inputs)


def even_parity(graph: Graph, layer: Resize) -> int | None:
    """The last bit of the zero point that halves are rounded to an even distance of, or None."""
    return quant_of(graph.tensor_out(layer)).zero_point & 1 if layer.rounding == "even" else None


def to_even(total: Expr, parity: int, lanes: int = 1) -> Expr:
    """An int32 sum in 2**20ths as whole steps, halves to those whose last bit is `parity`."""
    bits, one, parities, half = (
        scalar(value, "int32") if lanes == 1 else constant(value, "int32", lanes)
        for value in (FIXED_BITS, 1, parity, (1 << (FIXED_BITS - 1)) - 1)
    )
    return (total + half + (((total >> bits) + parities) & one)) >> bits


def _double(value: Expr) -> Expr:
    return cast(value, "float64")


def _as_float32(k: Builder, value: Expr) -> Expr:
    """A float64 expression rounded to what float32 has, halves to even, as float64.

    On the bits: compilers make a fused operation of float32 ones, which rounds once instead of
    twice, and take conversions there and back away.
    """
    one, kept = tirx.const(1, "int64"), tirx.const(MANTISSA_REST, "int64")
    bits = k.let(reinterpret(k.let(value), "int64"))
    half = tirx.const((1 << (MANTISSA_REST - 1)) - 1, "int64")
    nudged = k.let(bits + half + ((bits >> kept) & one))
    return k.let(reinterpret((nudged >> kept) << kept, "float64"))


def _between(
    k: Builder,
    values: list[list[Expr]],
    below: list[Expr],
    right: list[Expr],
    types: tuple[str, str, str],
    even: int | None,
    settled: Settled | None,
) -> Expr:
    """The weighted sum of `values[column][row]`, as `Resize` defines it for its weights.

    `types` of weights, source and output; `even` as `even_parity` gives it.
    """
    weights, stored, out = types
    pairs = [(column, row) for column in (0, 1) for row in (0, 1)]
    if stored.startswith("float"):
        wide = [[v if stored == "float32" else cast(v, "float32") for v in vs] for vs in values]
        parts = [wide[column][row] * below[row] * right[column] for column, row in pairs]
        if settled is not None:
            parts = [
                settled.product(wide[column][row] * below[row], right[column], "float32")
                for column, row in pairs
            ]
        total = parts[0] + parts[1] + parts[2] + parts[3]
        return total if out == "float32" else cast(total, out)
    if weights == "float32":
        total = None
        for column, row in pairs:
            value = _as_float32(k, cast(values[column][row], "float64") * _double(below[row]))
            part = _as_float32(k, value * _double(right[column]))
            total = part if total is None else _as_float32(k, total + part)
        nudged = _as_float32(k, total + scalar(0.5, "float64"))
        # Not negative: the conversion rounds down.
        return cast(cast(nudged, "int32"), "uint8")
    parts = [
        cast(values[column][row], "int32") * below[row] * right[column] for column, row in pairs
    ]
    total = k.let(parts[0] + parts[1] + parts[2] + parts[3])
    if even is not None:
        return cast(to_even(total, even), out)
    half = scalar(1 << 19, "int32")
    nudged = k.let(tirx.Select(total > scalar(0, "int32"), total + half, total - half))
    return cast(tirx.truncdiv(nudged, scalar(1 << 20, "int32")), out)


def _truncated(
    k: Builder, values: list[list[Expr]], below: list[Expr], right: list[Expr], out: str
) -> Expr:
    """The weighted sum of `values[column][row]` in float32, without what is behind the point."""
    total = None
    for row in (0, 1):
        for column in (0, 1):
            weight = _as_float32(k, _double(right[column]) * _double(below[row]))
            part = _as_float32(k, weight * cast(values[column][row], "float64"))
            total = part if total is None else _as_float32(k, total + part)
    return cast(cast(total, "int32"), out)
