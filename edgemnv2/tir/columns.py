"""Which columns of a window lie in the map, computed while the kernel runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tvm import tirx

from edgemnv2.tir.builder import Builder, scalar

__all__ = ["Columns", "columns_inside"]

Expr = Any


@dataclass(frozen=True)
class Columns:
    """Columns `low` to before `low + count` of a window that begins at `start` lie in the map."""

    start: Expr
    low: Expr
    count: Expr


def columns_inside(
    k: Builder, x: Expr, *, stride: int, left: int, kernel: int, dilation: int, width: int
) -> Columns:
    """Those of output column `x`; the window's are `dilation` apart, the map has `width`."""
    zero, most = scalar(0, "int32"), scalar(kernel, "int32")
    apart = scalar(dilation, "int32")
    start = k.let(x * stride - left)
    before = tirx.Max(zero - start, zero) + (apart - 1)
    inside = tirx.Max(scalar(width, "int32") - start, zero) + (apart - 1)
    low = k.let(tirx.truncdiv(before, apart))
    high = k.let(tirx.Min(tirx.truncdiv(inside, apart), most))
    return Columns(start, low, k.let(tirx.Max(high - low, zero)))
