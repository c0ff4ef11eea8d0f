"""3x3 depthwise convolution in WebAssembly, one output row from three input rows.

A few output pixels at once share input columns. int8: eight channels, widened as they are loaded;
two taps are interleaved for `i32x4.dot_i16x8_s`: those of the first two rows in one column, and of
the third row in two columns. Outside the image lie zero points (int8) or nothing (float32).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.pointwise import supported
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.wasm.isa import Isa
from edgemnv2.schedules.wasm.requantize import BLOCK, WebEpilogue
from edgemnv2.tir.builder import Builder, cast, constant, load, shuffle, symbol_name
from edgemnv2.tir.tiling import blocks_of, column_cache, depthwise_tiles, pack_columns, pixel_tiles

__all__ = ["DEPTHWISE"]

Expr = Any
Array = NDArray[Any]
CHANNELS = 8
"""Of one vector of widened pixels."""
PAIRS = ((0, 3), (1, 4), (2, 5), (6, 7), (8, None))
"""Taps (row * 3 + column) of one dot product."""


def _space(graph: Graph, layer: DepthwiseConv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """Decision range: `pixels` computed at once."""
    return {"pixels": (1, 2, 4), "order": ("channel", "pixel")}


def _default(graph: Graph, layer: DepthwiseConv2D, isa: Isa) -> dict[str, Any]:
    """Channels outermost for floats, whose weights stay in registers; those of int8 do not fit."""
    if layer.requantize is None:
        return {"pixels": 2, "order": "channel"}
    return {"pixels": 4, "order": "pixel"}


def depthwise_kernel(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for other kernel sizes and few channels."""
    ends, out = Ends.of(graph, layer), graph.tensor_out(layer)
    if layer.kernel != (3, 3) or out.channels < CHANNELS:
        return None
    if not supported(layer, ends.source, ends.out):
        return None
    if layer.requantize is None:
        return _float(graph, layer, isa, decisions)
    bias = folded_bias(layer.bias, layer.weight, ends.zero_in)
    epilogue = WebEpilogue.for_web(
        isa,
        layer.requantize,
        ends.zero_out,
        layer.clamp,
        span_of(layer.weight, bias),
    )
    if epilogue is None:
        return None
    return _int8(graph, layer, epilogue, bias, decisions)


def _begin(
    graph: Graph, layer: DepthwiseConv2D, dtype: str, decisions: Mapping[str, Any], *more: Any
) -> tuple[Builder, list[Any], Any]:
    """The function, its three input rows and its output row."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    shape = (source.width, out.width, out.channels, layer.stride[1], layer.padding[1])
    k = Builder(symbol_name(f"depthwise_{dtype}", {"shape": shape, "more": more, **decisions}))
    rows = [k.pointer(f"row{r}", dtype) for r in range(3)]
    return k, rows, k.pointer("out", dtype)


def _int8(
    graph: Graph,
    layer: DepthwiseConv2D,
    epilogue: WebEpilogue,
    bias: Array,
    decisions: Mapping[str, Any],
) -> RowKernel:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    assert layer.requantize is not None
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    zero = Ends.of(graph, layer).zero_in
    k, rows, output = _begin(graph, layer, "int8", decisions, zero, epilogue.key)
    weights, parameters = k.pointer("weights", "int16"), k.pointer("parameters", "int32")
    size = int(decisions["pixels"])

    def tile(channel: Expr, packed: Expr, first: Expr, count: int, inside: Any) -> None:
        w0, q0 = k.let(packed * (2 * len(PAIRS))), k.let(packed * epilogue.rows)
        base = k.let((first * stride - left) * channels + channel)
        to = k.let(first * channels + channel)

        def read(r: int, c: int) -> Expr:
            return k.let(cast(load(rows[r], base + c * channels, "int8x8"), "int16x8"))

        column = column_cache(inside, read, lambda: constant(zero, "int16", CHANNELS))
        known: dict[tuple[int, int], list[Expr]] = {}

        def taps(pair: int, c: int) -> list[Expr]:
            """The two vectors of a pair of `PAIRS` for the window that begins in column `c`."""
            # Of the first two rows three pairs differ in nothing but the column.
            place = (0, c + pair) if pair < 3 else (pair, c)
            if place not in known:
                a, b = (0 if tap is None else tap for tap in PAIRS[pair])
                last = PAIRS[pair][1] is None
                one = column(a // 3, c + a % 3)
                two = one if last else column(b // 3, c + b % 3)
                known[place] = [
                    k.let(shuffle([one, two], [i for n in range(h, h + 4) for i in (n, n + 8)]))
                    for h in (0, 4)
                ]
            return known[place]

        for x in range(count):
            sums = [k.let(epilogue.bias(parameters, q0, h)) for h in range(2)]
            for pair in range(len(PAIRS)):
                for h, vector in enumerate(taps(pair, x * stride)):
                    w = load(weights, w0 + (2 * pair + h) * CHANNELS, "int16x8")
                    sums[h] = k.let(sums[h] + epilogue.isa.dot(vector, w))
            made = [
                epilogue.rescale(k, total, epilogue.load(k, parameters, q0, h))
                for h, total in enumerate(sums)
            ]
            epilogue.store(k, output, to + x * channels, made)

    for channel, packed, (first, count, inside) in depthwise_tiles(
        k,
        channels,
        CHANNELS,
        str(decisions["order"]),
        lambda: pixel_tiles(k, out.width, source.width, stride, left, size),
    ):
        tile(channel, packed, first, count, inside)
    blocks = blocks_of(channels, CHANNELS)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            _pack(layer.weight, blocks),
            epilogue.pack(bias, blocks),
        ),
        prim_func=k.function(),
        decisions=dict(decisions),
    )


def _pack(weight: Array, blocks: list[tuple[int, int]]) -> Array:
    """int16 weights by blocks of eight channels: of each pair of taps four channels, then four."""
    taps = weight.reshape(9, -1).astype(np.int16)
    nothing = np.zeros_like(taps[0])
    pairs = [np.stack([taps[a], nothing if b is None else taps[b]], axis=1) for a, b in PAIRS]
    return np.concatenate([pair[c : c + n].ravel() for c, n in blocks for pair in pairs])


def _float(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    k, rows, output = _begin(graph, layer, "float32", decisions, layer.clamp)
    weights, bias = k.pointer("weights", "float32"), k.pointer("bias", "float32")
    size = int(decisions["pixels"])

    def tile(channel: Expr, packed: Expr, first: Expr, count: int, inside: Any) -> None:
        base = k.let((first * stride - left) * channels + channel)
        w0, to = k.let(packed * 9), k.let(first * channels + channel)
        sums = [k.let(load(bias, packed, "float32x4"))] * count
        for r in range(3):
            row = [k.let(load(weights, w0 + BLOCK * (3 * r + q), "float32x4")) for q in range(3)]
            for c in range((count - 1) * stride + 3):
                users = [x for x in range(count) if 0 <= c - x * stride < 3]
                if users and inside(c):
                    value = k.let(load(rows[r], base + c * channels, "float32x4"))
                    for x in users:
                        total = isa.multiply_add(sums[x], value, row[c - x * stride])
                        sums[x] = k.let(total)
        for x, total in enumerate(sums):
            k.store(output, to + x * channels, isa.clamp(total, layer.clamp))

    for channel, packed, (first, count, inside) in depthwise_tiles(
        k,
        channels,
        BLOCK,
        str(decisions["order"]),
        lambda: pixel_tiles(k, out.width, source.width, stride, left, size),
    ):
        tile(channel, packed, first, count, inside)
    blocks = blocks_of(channels, BLOCK)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_columns(layer.weight.reshape(9, -1), blocks),
            pack_columns(layer.bias, blocks),
        ),
        prim_func=k.function(),
        decisions=dict(decisions),
    )


DEPTHWISE = LayerKind(depthwise_kernel, _space, _default)
