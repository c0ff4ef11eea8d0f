"""The int8 stem on AVX-512 VNNI: one output row.

The input rows are copied into scratch with the image's edges filled in. A receptive field is then a
few groups of four neighbouring bytes in each row; of the last group, what belongs to the next
column meets zero weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx512.pointwise import flip_bytes, gemm_of, pointwise_space
from edgemnv2.schedules.family import LayerKind
from edgemnv2.tir.builder import (
    Builder,
    constant,
    load,
    reinterpret,
    scalar,
    symbol_name,
)
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import Panel, looped_pieces, walk

__all__ = ["STEM"]

Expr = Any


def default_stem(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """As was fastest on the paper's stem."""
    channels = graph.tensor_out(layer).channels
    nr = 32 if channels >= 32 else 16 if channels >= 16 else 8
    return {"mr": 12 if nr == 32 else 14, "nr": nr, "order": "pixel", "unroll": 1}


def stem_kernel(graph: Graph, layer: Conv2D, decisions: Mapping[str, Any]) -> RowKernel | None:
    """The kernel for one output row, or None where AVX-512 has none."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    rows, columns = layer.kernel
    taps = columns * source.channels
    groups = -(-taps // 4)
    weight = np.zeros((rows, 4 * groups, out.channels), np.int8)
    weight[:, :taps] = layer.weight.reshape(rows, taps, out.channels)
    gemm = gemm_of(graph, layer, weight.reshape(-1, out.channels), decisions)
    if gemm is None:
        return None
    assert source.quant is not None
    stride, left = layer.stride[1], layer.padding[1]
    signed = source.dtype == "int8"
    zero = source.quant.zero_point + (128 if signed else 0)
    mr, order = int(decisions["mr"]), str(decisions["order"])
    # Bytes of a copied row: all columns that are read, and what the last group reads behind them.
    step, before = stride * source.channels, left * source.channels
    image = source.width * source.channels
    read = (out.width - 1) * step + 4 * groups
    after = max(read - before - image, 0)
    pitch = before + image + after
    description = {
        "width": (source.width, out.width),
        "source": (source.channels, source.dtype, zero),
        "kernel": layer.kernel,
        "stride": stride,
        "left": left,
        "mr": mr,
        "order": order,
        **gemm.key,
    }
    k = Builder(symbol_name("conv2d_int8", description))
    inputs = [k.pointer(f"row{r}", "int8") for r in range(rows)]
    output, scratch = k.pointer("out", "int8"), k.pointer("scratch", "int8")
    weights, parameters = k.pointer("weights", "int8"), k.pointer("parameters", "int32")
    fill = zero - 256 * (zero > 127)
    for r in range(rows):
        flip_bytes(k, inputs[r], 0, scratch, r * pitch + before, image, flip=signed)
        for begin, end in ((0, before), (before + image, pitch)):
            for n, lanes in looped_pieces(k, begin, end):
                value = constant(fill, "int8", lanes) if lanes > 1 else scalar(fill, "int8")
                k.store(scratch, r * pitch + n, value)

    def reader(pixel: Expr) -> Callable[[Expr], Expr]:
        at = k.let(pixel * step)

        def read_group(i: Expr) -> Expr:
            offset = (i // groups) * pitch + (i % groups) * 4
            return reinterpret(load(scratch, at + offset, "int8x4"), "int32")

        return read_group

    def tile(first: Expr, count: int, panel: Panel) -> None:
        readers = [reader(first + r) for r in range(count)]
        gemm.tile(k, output, weights, parameters, readers, first, panel)

    walk(k, out.width, mr, gemm.panels, order, tile)
    return RowKernel(
        symbol=k.symbol,
        constants=gemm.constants(),
        scratch_bytes=rows * pitch,
        code=Code.of(k),
        decisions=dict(decisions),
    )


STEM = LayerKind(stem_kernel, pointwise_space, default_stem)
