"""Bilinear resizing on every vector unit: first between two rows, then between two columns.

The plain kernel weights four values for each that it makes; here the two rows become one, once a
row, and each value is made of two. In integers the sums are the same; floats round elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.resize.kernel import even_parity, is_rounded_next, to_even
from edgemnv2.ops.resize.layer import FIXED_BITS, Resize
from edgemnv2.ops.resize.rows import are_direct
from edgemnv2.tir.builder import Builder, broadcast, cast, constant, load, symbol_name
from edgemnv2.tir.code import Code

__all__ = ["resize_kernel"]

Expr = Any
LANES = (8, 4)
STORED = {"float32": "float32", "int8": "int32", "uint8": "int32"}
"""What sums are of, and weights, by what is stored."""


def resize_kernel(graph: Graph, layer: Layer) -> RowKernel | None:
    """The kernel of one row, or None: nearest ones, other types, fewer channels than lanes."""
    assert isinstance(layer, Resize)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    lanes = next((size for size in LANES if size <= out.channels), 0)
    if not layer.is_linear or layer.rounding == "zero" or source.dtype != out.dtype or not lanes:
        return None
    if is_rounded_next(graph, layer):
        # The plain kernel's sums are those of the reference to the last bit.
        return None
    assert layer.row_weights is not None and layer.column_weights is not None
    wide = STORED.get(source.dtype)
    if wide is None or layer.row_weights.dtype != wide or not are_direct(layer, source.height):
        return None
    pitch, channels = source.width * source.channels, out.channels
    even = even_parity(graph, layer)
    facts = {"pitch": pitch, "width": out.width, "channels": channels, "dtype": source.dtype}
    facts |= {} if even is None else {"even": even}
    k = Builder(symbol_name("resize", facts))
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(2)]
    target, number = k.pointer("out", out.dtype), k.number("row")
    between = k.pointer("scratch", wide)
    down, across = k.pointer("down", wide), k.pointer("across", wide)
    columns = k.pointer("columns", "int32")

    below = [k.let(broadcast(load(down, number * 2 + tap, wide), lanes)) for tap in (0, 1)]

    def between_rows(at: Expr) -> None:
        values = [cast(load(row, at, f"{source.dtype}x{lanes}"), f"{wide}x{lanes}") for row in rows]
        k.store(between, at, values[0] * below[0] + values[1] * below[1])

    _cover(k, pitch, lanes, between_rows)
    with k.loop(out.width) as x:
        right = [k.let(broadcast(load(across, x * 2 + tap, wide), lanes)) for tap in (0, 1)]
        places = [k.let(load(columns, x * 2 + tap, "int32") * channels) for tap in (0, 1)]
        to = k.let(x * channels)

        def between_columns(at: Expr) -> None:
            values = [load(between, place + at, f"{wide}x{lanes}") for place in places]
            total = k.let(values[0] * right[0] + values[1] * right[1])
            if wide == "int32":
                whole = _rounded(total, lanes) if even is None else to_even(total, even, lanes)
                total = cast(whole, f"{out.dtype}x{lanes}")
            k.store(target, to + at, total)

        _cover(k, channels, lanes, between_columns)
    constants = (layer.row_weights, layer.column_weights, layer.columns)
    return RowKernel(
        k.symbol,
        tuple(array.reshape(-1) for array in constants),
        scratch_bytes=4 * pitch,
        takes_row_number=True,
        code=Code.of(k),
    )


def _cover(k: Builder, elements: int, lanes: int, make: Callable[[Expr], None]) -> None:
    """`make` at every vector of so many elements; the last one may make some a second time."""
    with k.loop(elements // lanes) as i:
        make(k.let(i * lanes))
    if elements % lanes:
        make(elements - lanes)


def _rounded(total: Expr, lanes: int) -> Expr:
    """Divided by 2 ** `FIXED_BITS`, halves away from zero: a negative half falls by one more."""
    sign = total >> constant(31, "int32", lanes)
    half = constant(1 << (FIXED_BITS - 1), "int32", lanes)
    return (total + half + sign) >> constant(FIXED_BITS, "int32", lanes)
