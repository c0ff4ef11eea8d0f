"""3x3 depthwise convolution on NEON, one output row from three input rows.

Eight (int8, float16) or four (float32) channels at a time, outermost, with weights in registers;
then a few output pixels at once, which share input columns. Columns outside the image are known
when the code is made: int8 takes the zero point for them, floats leave the products out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.neon.int8_gemm import split_weights
from edgemnv2.schedules.neon.isa import LANES, Isa, high, low
from edgemnv2.schedules.neon.pointwise import supported
from edgemnv2.schedules.neon.requantize import Int8Epilogue, pack_parameters
from edgemnv2.schedules.neon.sdot_depthwise import SdotColumns, pack_dot_weights
from edgemnv2.tir.builder import Builder, constant, load, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import (
    PixelTile,
    blocks_of,
    column_cache,
    pack_columns,
    pixel_tiles,
    tiles_by_channels,
)

__all__ = ["DEPTHWISE"]

Expr = Any
BLOCK_BYTES = 4096
"""Of a block's rows: rows of a ring may lie a way of L1 apart, in the same sets."""
MOST_BLOCKS = 4
"""Each is code of its own."""
FLOAT_BYTES, LINE_BYTES, L1_LINES = 4, 64, 512


def depthwise_space(graph: Graph, layer: DepthwiseConv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: `pixels` computed at once, and which loop is outermost.

    "block": int8 pixels that stay in L1 while the channels pass (`BLOCK_BYTES`).
    """
    pixels = (1, 2, 4, 7, 14) if isa.arm64 else (1, 2)
    order = ("channel", "pixel") if layer.requantize is None else ("channel", "pixel", "block")
    return {"pixels": pixels, "order": order}


def default_depthwise(graph: Graph, layer: DepthwiseConv2D, isa: Isa) -> dict[str, Any]:
    """Seven pixels on AArch64, two where there are 16 registers.

    Floats of a line are met again when the row has been walked. Where the lines of three rows and
    the output, so far apart, do not fit an L1 of 32 KiB, pixels are outermost, and more at once. So
    it is where a core out of order can begin less in a cycle than its pipes take: fewer loads.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    floats = layer.requantize is None
    if isa.reorders and floats and layer.stride[1] == 1 and out.width % 14 == 0:
        return {"pixels": 14, "order": "pixel"}
    if isa.arm64 and not isa.fp16 and floats:
        apart = max(1, source.channels * FLOAT_BYTES // LINE_BYTES)
        lines = layer.kernel[0] * source.width + out.width
        if lines > L1_LINES // math.gcd(apart, L1_LINES):
            return {"pixels": 14, "order": "pixel"}
    order = "channel" if layer.requantize is None else "block"
    return {"pixels": 7 if isa.arm64 else 2, "order": order}


def depthwise_kernel(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for other kernel sizes and very few channels."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels = out.channels
    if layer.kernel != (3, 3):
        return None
    integer = layer.requantize is not None
    if not supported(layer, source.dtype, out.dtype, isa):
        return None
    if channels < (8 if integer else LANES[out.dtype]):
        return None
    return (_int8 if integer else _float)(graph, layer, isa, decisions)


def _description(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> dict[str, Any]:
    """What shapes the code of either kernel."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    return {
        "width": out.width,
        "source_width": source.width,
        "C": out.channels,
        "stride": layer.stride[1],
        "left": layer.padding[1],
        "isa": isa,
        **decisions,
    }


def _int8(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    requantize = layer.requantize
    assert requantize is not None and source.quant is not None and out.quant is not None
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    parts = split_weights(layer.weight)
    # Two products go into int16: of two taps, or of the two parts of one.
    group = 2 if len(parts) == 2 or int(layer.weight.min()) > -128 else 1
    taps = 9 * len(parts)
    zero = source.quant.zero_point
    bias = folded_bias(layer.bias, layer.weight, zero)
    span = span_of(layer.weight, bias)
    dots = isa.dotprod and len(parts) == 1
    folds = None if dots else bias
    epilogue = Int8Epilogue.of(isa, requantize, out.quant.zero_point, layer.clamp, span, folds)
    if epilogue is None:
        return None
    description = {
        **_description(graph, layer, isa, decisions),
        "zero": zero,
        "taps": "dots" if dots else (taps, group),
        "epilogue": epilogue.key,
    }
    k = Builder(symbol_name("depthwise_int8", description))
    rows = [k.pointer(f"row{r}", "int8") for r in range(3)]
    output = k.pointer("out", "int8")
    weights, parameters = k.pointer("weights", "int8"), k.pointer("parameters", "int32")

    for channel, packed, own in _walk(k, channels, source.width, out.width, layer, decisions):
        if dots:
            columns = SdotColumns.load(k, weights, packed)
        else:
            w = [k.let(load(weights, packed * taps + 8 * t, "int8x8")) for t in range(taps)]
        p = epilogue.load(k, parameters, k.let(packed * epilogue.rows), 8)
        for first, count, inside in own:
            base = k.let((first * stride - left) * channels + channel)
            to = k.let(first * channels + channel)

            def read(r: int, c: int, base: Expr = base) -> Expr:
                return k.let(load(rows[r], base + c * channels, "int8x8"))

            column = column_cache(inside, read, lambda: constant(zero, "int8", 8))
            if dots:
                windows = SdotColumns(k, isa, columns, column, inside, zero)
                for x in range(count):
                    acc = windows.sums(p.bias, x * stride)
                    epilogue.store(k, output, to + x * channels, acc, p)
                continue
            for x in range(count):
                products: list[Expr] = []
                for t in range(0, taps, group):
                    product: Expr = None
                    for tap in range(t, min(t + group, taps)):
                        r, q = divmod(tap // len(parts), 3)
                        term = isa.smull8(column(r, x * stride + q), w[tap])
                        product = term if product is None else product + term
                        product = k.let(product)
                    products.append(product)
                if epilogue.folded:
                    # Two products begin the sums.
                    one, two = products.pop(0), products.pop(0)
                    acc = [k.let(isa.saddl(half(one, 4), half(two, 4))) for half in (low, high)]
                else:
                    acc = [p.bias[0], p.bias[1]]
                for product in products:
                    acc = [
                        k.let(isa.saddw(acc[0], low(product, 4))),
                        k.let(isa.saddw(acc[1], high(product, 4))),
                    ]
                epilogue.store(k, output, to + x * channels, acc, p)
    blocks = blocks_of(channels, 8)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_dot_weights(parts[0], blocks)
            if dots
            else pack_columns(np.stack(parts, axis=2).reshape(taps, channels), blocks),
            pack_parameters(bias, requantize, blocks, epilogue),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _block(width: int, size: int, pixel_bytes: int) -> int:
    """Pixels of a block, whole tiles of `size`; three rows are read, one is written."""
    blocks = min(MOST_BLOCKS, -(-width * pixel_bytes // BLOCK_BYTES))
    return -(-width // (blocks * size)) * size


def _walk(
    k: Builder,
    channels: int,
    source_width: int,
    width: int,
    layer: DepthwiseConv2D,
    decisions: Mapping[str, Any],
) -> Iterator[tuple[Expr, Expr, Iterable[PixelTile]]]:
    """`tiles_by_channels` of a row; in the order "block" of each block of its pixels."""
    stride, left, size = layer.stride[1], layer.padding[1], int(decisions["pixels"])
    order, block = str(decisions["order"]), width
    if order == "block":
        order, block = "channel", _block(width, size, (3 * stride + 1) * channels)
    for begin in range(0, width, block):
        end = min(begin + block, width)

        def tiles(begin: int = begin, end: int = end) -> Iterator[PixelTile]:
            return pixel_tiles(k, end, source_width, stride, left, size, begin=begin)

        yield from tiles_by_channels(k, channels, 8, order, tiles)


def _float(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    dtype, lanes = out.dtype, LANES[out.dtype]
    full = f"{dtype}x{lanes}"
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    description = {**_description(graph, layer, isa, decisions), "clamp": layer.clamp}
    k = Builder(symbol_name(f"depthwise_{dtype}", description))
    rows = [k.pointer(f"row{r}", dtype) for r in range(3)]
    output = k.pointer("out", dtype)
    weights, bias = k.pointer("weights", dtype), k.pointer("bias", dtype)

    def tiles() -> Iterator[PixelTile]:
        return pixel_tiles(k, out.width, source.width, stride, left, int(decisions["pixels"]))

    def starting_at(buffer: Any, at: Expr) -> tuple[Any, Expr]:
        # Where few operations can begin in a cycle, additions of addresses take the time of others.
        return (k.view(buffer, at), 0) if isa.stores_lists else (buffer, at)

    nought = isa.nought(k) if isa.halves else 0
    for channel, packed, own in tiles_by_channels(
        k, channels, lanes, str(decisions["order"]), tiles
    ):
        w = [k.let(load(weights, packed * 9 + lanes * t, full)) for t in range(9)]
        b = k.let(load(bias, packed, full))
        for first, count, inside in own:
            columns = (count - 1) * stride + 3
            # A view begins with a column that is there.
            begin = next((c for c in range(columns) if inside(c)), 0) if isa.stores_lists else 0
            base = k.let((first * stride - left + begin) * channels + channel)
            windows = [starting_at(row, base) for row in rows]
            made, to = starting_at(output, k.let(first * channels + channel))
            acc = [b] * count
            if isa.halves:
                places = [k.let(packed + (first + x) * nought) for x in range(count)]
                acc = [k.let(load(bias, place, full)) for place in places]
            for r in range(3):
                for c in range(columns):
                    users = [x for x in range(count) if 0 <= c - x * stride < 3]
                    if not inside(c) or not users:
                        continue
                    row, at = windows[r]
                    v = k.let(load(row, at + (c - begin) * channels, full))
                    for x in users:
                        acc[x] = k.let(isa.fma(acc[x], v, w[3 * r + c - x * stride], dtype))
            for x in range(count):
                value = isa.clamp(acc[x], layer.clamp, dtype)
                k.store(made, to + x * channels, value)
    blocks = blocks_of(channels, lanes)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_columns(layer.weight.reshape(9, channels).astype(dtype), blocks),
            pack_columns(layer.bias, blocks).astype(dtype),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


DEPTHWISE = LayerKind(depthwise_kernel, depthwise_space, default_depthwise)
