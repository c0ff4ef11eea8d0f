"""Conversions of types in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.cast.layer import Cast
from edgemnv2.ops.elementwise_kernel import conversion_kernel
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, scalar

__all__ = ["kernels"]

Expr = Any
FURTHEST = 2.0**31 - 128
"""The largest float32 that an int32 holds."""


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Cast)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    down = 0 if source.quant is None else source.quant.zero_point - layer.zero_in
    up = 0 if out.quant is None else out.quant.zero_point - layer.zero_out

    def convert(k: Builder, value: Expr, factor: Any) -> Expr:
        if source.dtype == "float32":
            # Converting cuts off what is behind the point.
            limit = scalar(FURTHEST, "float32")
            low = scalar(-FURTHEST, "float32")
            value = k.let(cast(k.let(tirx.Min(tirx.Max(value, low), limit)), "int32"))
        wide = "int64" if "int64" in (source.dtype, out.dtype) else "int32"
        number = value if source.dtype == wide else cast(value, wide)
        number = k.let(number - tirx.const(down, wide))
        if out.dtype == "float32":
            return cast(number, "float32")
        moved = k.let(number + tirx.const(up, wide))
        if out.dtype != wide:
            info = np.iinfo(out.dtype)
            low, high = (tirx.const(int(x), wide) for x in (info.min, info.max))
            return cast(tirx.Min(tirx.Max(moved, low), high), out.dtype)
        return moved

    facts = {"zeros": (layer.zero_in, layer.zero_out)}
    return {layer.name: conversion_kernel(graph, layer, convert, facts)}
