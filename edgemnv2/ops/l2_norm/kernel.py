"""Normalisation by length in plain loops; integers as TFLite's reference kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.elementwise_kernel import zero_point_of
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.l2_norm.layer import L2Norm
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.fixed_point import inverse_root
from edgemnv2.tir.requantize import clamped, rescale

__all__ = ["kernels"]

Expr = Any
OUTPUT_BITS = 7


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name: `row_0, out`."""
    assert isinstance(layer, L2Norm)
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    zeros = zero_point_of(source), zero_point_of(out)
    facts = {
        "in": (source.width, source.channels, source.dtype),
        "out": out.dtype,
        "zeros": zeros,
        "epsilon": layer.epsilon,
        "shifted_first": layer.shifted_first,
    }
    symbol = symbol_name("plain_l2_norm", facts)
    k = Builder(symbol, scope="global")
    row, target = k.pointer("row0", source.dtype), k.pointer("out", out.dtype)
    is_float = source.dtype == "float32"
    compute = "float32" if is_float else "int32"
    total = k.registers(compute, 1)

    def value_at(at: Expr) -> Expr:
        value = load(row, at, source.dtype)
        return value if is_float else cast(value, "int32") - scalar(zeros[0], "int32")

    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        k.set(total, 0, scalar(0, compute))
        with k.loop(source.channels) as c:
            value = k.let(value_at(start + c))
            k.set(total, 0, element(total, 0) + value * value)
        if is_float:
            length = tirx.Max(tirx.sqrt(element(total, 0)), scalar(layer.epsilon, "float32"))
            length = k.let(length)
        else:
            multiplier, shift = inverse_root(k, cast(element(total, 0), "int64"))
            factor, left = k.let(cast(multiplier, "int32")), k.let(cast(shift, "int32"))
        with k.loop(source.channels) as c:
            value = k.let(value_at(start + c))
            if is_float:
                k.store(target, start + c, value / length)
            else:
                bits = scalar(OUTPUT_BITS, "int32")
                if layer.shifted_first:
                    scaled = rescale(k, k.let(value << bits), factor, left)
                else:
                    scaled = rescale(k, value, factor, k.let(left + bits))
                limits = np.iinfo(out.dtype)
                moved = k.let(scaled) + scalar(zeros[1], "int32")
                clamp = (float(limits.min), float(limits.max))
                k.store(target, start + c, clamped(moved, clamp, "int32", out.dtype))
    return {layer.name: RowKernel(symbol, (), code=Code.of(k), schedule="fallback")}
