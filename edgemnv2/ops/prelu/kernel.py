"""Rectifiers with learned slopes in plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.prelu.layer import Prelu
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, rescale

__all__ = ["kernels"]

Expr = Any


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, out, [row,] slopes, [factors]`."""
    assert isinstance(layer, Prelu)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    is_map = layer.slope.ndim == 3
    zeros = zero_point_of(source), zero_point_of(out)
    facts = {
        "in": (source.width, source.channels, source.dtype),
        "out": out.dtype,
        "zeros": zeros,
        "slopes": layer.slope.shape,
        "clamp": layer.clamp,
    }
    compute = "float32" if layer.rescale is None else "int32"
    k = Builder(symbol_name("plain_prelu", facts), scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    number: Expr = k.number("row") if is_map else None
    constants: list[Any] = [np.ascontiguousarray(layer.slope, np.dtype(compute))]
    slopes = k.pointer("slopes", compute)
    factors: list[Expr] = []
    if layer.rescale is not None:
        pairs = [(f.multiplier[0], f.shift[0]) for f in layer.rescale]
        constants.append(np.array(pairs, np.int32).reshape(-1))
        table = k.pointer("factors", "int32")
        factors = [k.let(load(table, i, "int32")) for i in range(2 * len(pairs))]
    with k.loop(source.width) as x, k.loop(source.channels) as c:
        at = k.let(x * source.channels + c)
        place: Expr = scalar(0, "int32")
        if is_map:
            place = number * (source.width * source.channels) + at
        elif layer.slope.size > 1:
            place = c
        slope = load(slopes, place, compute)
        if not factors:
            found = load(row, at, source.dtype)
            value = k.let(found if source.dtype == compute else cast(found, compute))
            result = tirx.Select(value >= scalar(0.0, "float32"), value, value * slope)
        else:
            value = k.let(cast(load(row, at, source.dtype), "int32") - scalar(zeros[0], "int32"))
            below = k.let(value * slope)
            above = k.let(rescale(k, value, factors[0], factors[1]))
            below = k.let(rescale(k, below, factors[2], factors[3]))
            zero = scalar(0, "int32")
            result = tirx.Select(value >= zero, above, below) + scalar(zeros[1], "int32")
        k.store(target, at, clamped(result, layer.clamp, compute, out.dtype))
    kernel = RowKernel(
        k.symbol,
        tuple(constants),
        code=Code.of(k),
        schedule="fallback",
        takes_row_number=is_map,
    )
    return {layer.name: kernel}
