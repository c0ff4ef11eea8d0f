"""The stem on AVX2: one output row, its receptive fields gathered into scratch, then a GEMM.

Columns outside the image are filled with the zero point. int8 pixels are gathered as int16, as the
GEMM wants them. Small float windows are read where they are, their taps written out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.gemm import LANES, Gemm
from edgemnv2.schedules.avx2.pointwise import (
    gemm_of,
    pointwise_space,
    supported,
)
from edgemnv2.schedules.avx2.simd import clamp_float, fma
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends, stem_builder
from edgemnv2.tir.builder import (
    Builder,
    broadcast,
    cast,
    constant,
    element,
    load,
    scalar,
    symbol_name,
)
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import pack_columns, panels_of, pixel_tiles, window_pieces

__all__ = ["CONV2D", "gathered_kernel"]

Expr = Any
MOST_DIRECT_TAPS = 256
"""Of a float window whose multiplications are written out one by one."""


def default_conv2d(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """As was fastest on the paper's stem."""
    nr = 16 if graph.tensor_out(layer).channels >= 16 else 8
    if layer.requantize is None:
        return {"mr": 4, "nr": nr, "order": "panel", "unroll": 1}
    return {"mr": 5, "nr": nr, "order": "pixel", "unroll": 1, "weights": "int16"}


def conv2d_kernel(graph: Graph, layer: Conv2D, decisions: Mapping[str, Any]) -> RowKernel | None:
    """The kernel for one output row, or None for dtypes that are not ours."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    integer = layer.requantize is not None
    unsigned = source.dtype == "uint8"
    # A uint8 image may come into an int8 network.
    if not supported(layer, "int8" if integer and unsigned else source.dtype, out.dtype):
        return None
    rows, columns = layer.kernel
    taps = columns * source.channels
    depth = rows * taps
    if not integer and depth <= MOST_DIRECT_TAPS:
        return _direct_float(graph, layer, decisions)
    ends = Ends.of(graph, layer)
    gemm = gemm_of(layer, layer.weight.reshape(depth, out.channels), decisions, ends)
    return None if gemm is None else gathered_kernel(graph, layer, gemm, ends, decisions)


def gathered_kernel(
    graph: Graph, layer: Conv2D, gemm: Gemm, ends: Ends, decisions: Mapping[str, Any]
) -> RowKernel:
    """The kernel that gathers receptive fields into scratch and multiplies them by `gemm`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    integer = layer.requantize is not None
    rows, columns = layer.kernel
    taps = columns * source.channels
    depth = rows * taps
    padded, factor, scratch_dtype = gemm.padded, gemm.factor, gemm.scratch_dtype
    k, inputs, pointers = stem_builder(graph, layer, gemm, decisions, unsigned="uint8")
    stride, left = layer.stride[1], layer.padding[1]

    def gathered(value: Expr, lanes: int) -> Expr:
        if not integer:
            return value
        dtype = f"int16x{lanes}" if lanes > 1 else "int16"
        if lanes == 1:
            return cast(cast(value, "int32") * factor, dtype)
        value = k.let(cast(value, dtype))
        return value + value if factor == 2 else value

    def filled(number: int, lanes: int) -> Expr:
        return (
            constant(number, scratch_dtype, lanes) if lanes > 1 else scalar(number, scratch_dtype)
        )

    for first, _, inside in pixel_tiles(k, out.width, source.width, stride, left, 1, columns):
        at = k.let((first * stride - left) * source.channels)
        to = k.let(first * padded)
        for r in range(rows):
            for n, lanes, exists in window_pieces(k, inside, columns, source.channels):
                dtype = f"{source.dtype}x{lanes}" if lanes > 1 else source.dtype
                value = filled(ends.zero_in * factor, lanes)
                if exists:
                    value = gathered(load(inputs[r], at + n, dtype), lanes)
                k.store(pointers.scratch, to + (r * taps + n), value)
        for n in range(depth, padded):
            k.store(pointers.scratch, to + n, filled(0, 1))
    gemm.emit_gathered(k, pointers, out.width, int(decisions["mr"]), str(decisions["order"]))
    return RowKernel(
        symbol=k.symbol,
        constants=tuple(gemm.constants()),
        scratch_bytes=out.width * padded * np.dtype(scratch_dtype).itemsize + gemm.extra_bytes,
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _direct_float(graph: Graph, layer: Conv2D, decisions: Mapping[str, Any]) -> RowKernel | None:
    """Float stems read the rows where they are; taps outside the image are left out."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    panels = panels_of(out.channels, int(decisions["nr"]), LANES)
    if panels is None:
        return None
    rows, columns = layer.kernel
    stride, left = layer.stride[1], layer.padding[1]
    depth = source.channels
    taps = columns * depth
    description = {
        "width": (source.width, out.width),
        "channels": (depth, out.channels),
        "kernel": layer.kernel,
        "stride": stride,
        "left": left,
        "clamp": layer.clamp,
        **decisions,
    }
    k = Builder(symbol_name("conv2d_float32", description))
    inputs = [k.pointer(f"row{r}", "float32") for r in range(rows)]
    output = k.pointer("out", "float32")
    weights, bias = k.pointer("weights", "float32"), k.pointer("bias", "float32")
    # Panels outermost: LLVM then keeps the weights, not each tile's broadcast pixels, on the stack.
    for panel in panels.each(k):
        mr = int(decisions["mr"])
        tiles = pixel_tiles(k, out.width, source.width, stride, left, mr, columns)
        for first, count, inside in tiles:
            x0 = k.let((first * stride - left) * depth)
            vectors = panel.width // LANES
            acc = k.registers("float32x8", count * vectors)
            w0 = k.let(panel.packed * (rows * taps))
            for j in range(vectors):
                b = k.let(load(bias, panel.packed + LANES * j, "float32x8"))
                for m in range(count):
                    k.set(acc, m * vectors + j, b)
            for r in range(rows):
                for t in range(taps):
                    at = w0 + (r * taps + t) * panel.width
                    wv = [k.let(load(weights, at + LANES * j, "float32x8")) for j in range(vectors)]
                    for m in range(count):
                        if not inside(m * stride + t // depth):
                            continue
                        x = element(inputs[r], x0 + (m * stride * depth + t))
                        value = k.let(broadcast(x, LANES))
                        for j in range(vectors):
                            n = m * vectors + j
                            k.set(acc, n, fma(element(acc, n), value, wv[j]))
            for m in range(count):
                to = k.let((first + m) * out.channels + panel.channel)
                for j in range(vectors):
                    value = clamp_float(element(acc, m * vectors + j), layer.clamp)
                    k.store(output, to + LANES * j, value)
    flat = layer.weight.reshape(rows * taps, out.channels)
    blocks = panels.blocks()
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_columns(flat, blocks),
            pack_columns(layer.bias, blocks),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


CONV2D = LayerKind(conv2d_kernel, pointwise_space, default_conv2d)
