"""The largest channel of each pixel on every vector unit: its value first, then where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from tvm import tirx

from edgemnv2.ops.arg_max.layer import ArgMax
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import (
    Builder,
    broadcast,
    cast,
    constant,
    intrinsic,
    load,
    maximum,
    minimum,
    scalar,
    shuffle,
    symbol_name,
)
from edgemnv2.tir.code import Code

__all__ = ["FloatUnit", "arg_max_kernel"]

Expr = Any
BYTES = 16
"""int8 lanes."""
MOST_VECTORS = 8
"""Of a pixel: they stay in registers."""


class FloatUnit(Protocol):
    """How a vector unit compares floats."""

    @property
    def lanes(self) -> int:
        """Floats of a vector."""

    def larger(self, a: Expr, b: Expr) -> Expr:
        """Lane by lane."""

    def largest(self, k: Builder, vector: Expr) -> Expr:
        """Of all lanes, as a scalar."""


@dataclass(frozen=True)
class _Bytes:
    """int8 vectors, whose comparisons LLVM has for every unit."""

    lanes: int = BYTES

    def larger(self, a: Expr, b: Expr) -> Expr:
        """Lane by lane."""
        return maximum(a, b)

    def largest(self, k: Builder, vector: Expr) -> Expr:
        """Of all lanes, as a scalar."""
        return k.let(intrinsic(f"llvm.vector.reduce.smax.v{self.lanes}i8", "int8", vector))


def arg_max_kernel(graph: Graph, layer: Layer, floats: FloatUnit) -> RowKernel | None:
    """The kernel of one row, or None: the smallest, the last of equals, other types, few channels.

    A float that is no number is never the largest; of nothing but such the first channel is told.
    """
    assert isinstance(layer, ArgMax)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    unit: FloatUnit = _Bytes() if source.dtype == "int8" else floats
    starts = _starts(source.channels, unit.lanes)
    places, none = ("int8", 127) if source.dtype == "int8" else ("int32", 1 << 30)
    if (
        layer.smallest
        or layer.last
        or source.dtype not in ("int8", "float32")
        or not 1 <= len(starts) <= MOST_VECTORS
        or source.channels >= none
    ):
        return None
    facts = {"in": (source.width, source.channels, source.dtype), "out": out.dtype}
    k = Builder(symbol_name("arg_max", {**facts, "unit": repr(floats)}))
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    with k.loop(source.width) as x:
        at = k.let(x * source.channels)
        vectors = [k.let(load(row, at + start, f"{source.dtype}x{unit.lanes}")) for start in starts]
        best = vectors[0]
        for vector in vectors[1:]:
            best = k.let(unit.larger(best, vector))
        best = k.let(broadcast(unit.largest(k, best), unit.lanes))
        nowhere = constant(none, places, unit.lanes)
        first = None
        for vector, start in zip(vectors, starts, strict=True):
            numbers = shuffle(
                [scalar(start + i, places) for i in range(unit.lanes)], range(unit.lanes)
            )
            place = k.let(tirx.Select(tirx.EQ(vector, best), numbers, nowhere))
            first = place if first is None else k.let(minimum(first, place))
        bits = np.dtype(places).itemsize * 8
        found = k.let(intrinsic(f"llvm.vector.reduce.smin.v{unit.lanes}i{bits}", places, first))
        if source.dtype == "float32":
            found = tirx.Select(found < scalar(none, places), found, scalar(0, places))
        k.store(target, x, found if out.dtype == places else cast(found, out.dtype))
    return RowKernel(k.symbol, (), code=Code.of(k))


def _starts(channels: int, lanes: int) -> Sequence[int]:
    """The first channel of each vector; the last one may lie over the one before it."""
    if channels < lanes:
        return ()
    found = list(range(0, channels - lanes + 1, lanes))
    return found if channels % lanes == 0 else [*found, channels - lanes]
