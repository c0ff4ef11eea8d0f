"""Global average pooling in two kernels: one adds a row to the sums, one divides them."""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.arithmetic.onnx import short_factor
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.pool.rows import sum_names
from edgemnv2.tir.builder import Builder, cast, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.requantize import clamped, even_facts, rescale

__all__ = ["kernels"]


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernels of `layer` by operation name: `name.sum` and `name`."""
    assert isinstance(layer, GlobalAveragePool)
    sums = {
        name: pool_sum_kernel(graph.tensors[source])
        for name, source in zip(sum_names(layer), layer.inputs, strict=True)
    }
    return {**sums, layer.name: pool_finish_kernel(graph, layer)}


def pool_sum_kernel(source: Tensor) -> RowKernel:
    """`row_0, sums`: adds a row of pixels to one int32 or float32 sum per channel."""
    compute = "float32" if source.dtype.startswith("float") else "int32"
    description = {"in": (source.width, source.channels, source.dtype)}
    symbol = symbol_name("plain_pool_sum", description)
    k = Builder(symbol, scope="global")
    row, sums = k.pointer("row0", source.dtype), k.pointer("sums", compute)
    with k.loop(source.width) as x:
        start = k.let(x * source.channels)
        with k.loop(source.channels) as c:
            value = load(row, start + c, source.dtype)
            value = value if source.dtype == compute else cast(value, compute)
            k.store(sums, c, load(sums, c, compute) + value)
    return RowKernel(symbol, (), code=Code.of(k), schedule="fallback")


def pool_finish_kernel(graph: Graph, layer: GlobalAveragePool) -> RowKernel:
    """`sums, out, [factor]`: the mean of each channel, as `GlobalAveragePool` defines it.

    ONNX's in 32 bits, where a short factor gives the same for every sum.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    count = layer.pixels(graph)
    several = len(layer.inputs)
    zero_in = 0 if source.quant is None else source.quant.zero_point
    zero_out = 0 if out.quant is None else out.quant.zero_point
    description = {
        "count": count,
        "out": (out.channels, out.dtype),
        "zero": (zero_in, zero_out),
        "clamp": layer.clamp,
        "mean": layer.requantize is not None,
    }
    description |= even_facts(layer.requantize)
    short = None
    if layer.requantize is not None and layer.requantize.rounding == "even":
        limits = np.iinfo(source.dtype)
        ends = count * (int(limits.min) - zero_in), count * (int(limits.max) - zero_in)
        short = short_factor(layer.requantize, *ends)
        description["short"] = short
    if several > 1:
        description["operands"] = several
    symbol = symbol_name("plain_pool", description)
    compute = "float32" if source.dtype.startswith("float") else "int32"
    k = Builder(symbol, scope="global")
    sums = k.pointer("sums", compute)
    more = [k.pointer(f"sums{i}", compute) for i in range(1, several)]
    target = k.pointer("out", out.dtype)
    constants: tuple[Any, ...] = ()
    table: Any = None
    if layer.requantize is not None and short is None:
        factor = layer.requantize
        constants = (np.array([factor.multiplier[0], factor.shift[0]], np.int32),)
        table = k.pointer("factor", "int32")
    with k.loop(out.channels) as c:
        total = k.let(load(sums, c, compute))
        for other in more:
            total = k.let(total + load(other, c, compute))
        if compute == "float32":
            value = clamped(
                total * scalar(float(np.float32(1.0) / np.float32(count)), "float32"),
                layer.clamp,
                "float32",
                out.dtype,
            )
        elif layer.requantize is not None:
            centred = k.let(total - scalar(zero_in * count, "int32"))
            if short is None:
                numbers = load(table, 0, "int32"), load(table, 1, "int32")
                scaled = rescale(k, centred, *numbers, layer.requantize)
            else:
                multiplier, addend, bits = (scalar(number, "int32") for number in short)
                scaled = (centred * multiplier + addend) >> bits
            value = k.let(scaled) + scalar(zero_out, "int32")
            value = clamped(value, layer.clamp, "int32", out.dtype)
        else:
            # TFLite's AVERAGE_POOL_2D: half the count added towards the sign, then truncation.
            zero, half = scalar(0, "int32"), scalar(count // 2, "int32")
            nudged = k.let(tirx.Select(total > zero, total + half, total - half))
            value = k.let(tirx.truncdiv(nudged, scalar(count, "int32")))
            value = clamped(value, layer.clamp, "int32", out.dtype)
        k.store(target, c, value)
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback")
