"""Quantising in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import conversion_kernel, scale_of, zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.tir.builder import Builder, cast, scalar
from edgemnv2.tir.requantize import clamped

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Quantize)
    out, rounding = graph.tensor_out(layer), layer.rounding

    def convert(k: Builder, value: Expr, factor: Any) -> Expr:
        info = np.iinfo(out.dtype)
        divided = k.let(value / scalar(scale_of(out), "float32"))
        # Beyond int32 the conversion is undefined; far beyond the clamp nothing changes.
        limited = k.let(tirx.Min(tirx.Max(divided, _float(-65536.0)), _float(65536.0)))
        rounded = _rounded(k, limited, rounding)
        moved = rounded + scalar(zero_point_of(out), "int32")
        return clamped(moved, (float(info.min), float(info.max)), "int32", out.dtype)

    return {layer.name: conversion_kernel(graph, layer, convert, {"rounding": rounding})}


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
