"""3x3 depthwise convolution on AVX2, one output row from three input rows.

Channels outermost, a few output pixels at once, which share input columns. int8: 16 channels
widened to int16; the first two rows are interleaved for `vpmaddwd`, which then adds two taps; so
are neighbouring columns of the third row. Columns outside the image are known when the code is
made: int8 takes the zero point for them, float32 leaves the products out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.pointwise import supported
from edgemnv2.schedules.avx2.requantize import Epilogue
from edgemnv2.schedules.avx2.simd import clamp_float, fma, madd, unpack_high, unpack_low
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias, largest_sum
from edgemnv2.tir.builder import Builder, cast, constant, load, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import (
    PixelTile,
    blocks_of,
    column_cache,
    depthwise_tiles,
    pack_columns,
    pixel_tiles,
)

__all__ = ["DEPTHWISE"]

Expr = Any
Array = NDArray[Any]
TAP_PAIRS = ((0, 3), (1, 4), (2, 5), (6, 7), (8, None))
"""Taps (row * 3 + column) that one `vpmaddwd` takes together."""


def depthwise_space(graph: Graph, layer: DepthwiseConv2D) -> dict[str, tuple[Any, ...]]:
    """Decision range: `pixels` computed at once."""
    return {"pixels": (1, 2, 4, 7), "order": ("channel", "pixel")}


def default_depthwise(graph: Graph, layer: DepthwiseConv2D) -> dict[str, Any]:
    """As was fastest on the paper's shapes: wide float rows are read in order of memory."""
    if layer.requantize is not None:
        return {"pixels": 7, "order": "channel"}
    if graph.tensor_out(layer).width >= 28:
        return {"pixels": 7, "order": "pixel"}
    return {"pixels": 4, "order": "channel"}


def depthwise_kernel(
    graph: Graph, layer: DepthwiseConv2D, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for other kernel sizes and few channels."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    integer = layer.requantize is not None
    if layer.kernel != (3, 3) or out.channels < (16 if integer else 8):
        return None
    if not supported(layer, source.dtype, out.dtype):
        return None
    return (_int8 if integer else _float)(graph, layer, decisions)


def _describe(
    graph: Graph, layer: DepthwiseConv2D, decisions: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    return {
        "width": (source.width, out.width),
        "C": out.channels,
        "stride": layer.stride[1],
        "left": layer.padding[1],
        **decisions,
        **more,
    }


def pack_pairs(weight: Array, blocks: list[tuple[int, int]], factor: int) -> Array:
    """int16 weights per block of 16 channels: each tap pair, low unpacked lanes, then high."""
    taps = weight.reshape(9, -1).astype(np.int16) * factor
    parts = []
    for c, n in blocks:
        for a, b in TAP_PAIRS:
            first = taps[a, c : c + n]
            second = taps[b, c : c + n] if b is not None else np.zeros_like(first)
            pairs = np.stack([first, second], axis=1)
            parts += [pairs[[0, 1, 2, 3, 8, 9, 10, 11]], pairs[[4, 5, 6, 7, 12, 13, 14, 15]]]
    return np.ascontiguousarray(np.stack(parts)).ravel()


def _int8(graph: Graph, layer: DepthwiseConv2D, decisions: Mapping[str, Any]) -> RowKernel | None:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    assert layer.requantize is not None and source.quant is not None and out.quant is not None
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    zero = source.quant.zero_point
    bias = folded_bias(layer.bias, layer.weight, zero)
    bound = largest_sum(layer.weight, bias)
    span = span_of(layer.weight, bias)
    epilogue = Epilogue.of(layer.requantize, out.quant.zero_point, layer.clamp, bound, span)
    if epilogue is None:
        return None
    description = _describe(graph, layer, decisions, zero=zero, epilogue=epilogue.key)
    k = Builder(symbol_name("depthwise_int8", description))
    rows = [k.pointer(f"row{r}", "int8") for r in range(3)]
    output = k.pointer("out", "int8")
    weights, parameters = k.pointer("weights", "int16"), k.pointer("parameters", "int32")
    size = int(decisions["pixels"])

    def tiles() -> Iterator[PixelTile]:
        return pixel_tiles(k, out.width, source.width, stride, left, size)

    for channel, packed, tile in depthwise_tiles(k, channels, 16, str(decisions["order"]), tiles):
        w0, q0 = k.let(packed * (2 * len(TAP_PAIRS))), k.let(packed * epilogue.rows)
        for first, count, inside in (tile,):
            base = k.let((first * stride - left) * channels + channel)
            to = k.let(first * channels + channel)
            pairs: dict[tuple[str, int], tuple[Expr, Expr]] = {}

            def read(r: int, c: int, base: Expr = base) -> Expr:
                value = load(rows[r], base + c * channels, "int8x16")
                return k.let(cast(value, "int16x16"))

            column = column_cache(inside, read, lambda: constant(zero, "int16", 16))

            def pair(
                kind: str,
                c: int,
                column: Callable[..., Expr] = column,
                pairs: dict[tuple[str, int], tuple[Expr, Expr]] = pairs,
            ) -> tuple[Expr, Expr]:
                if (kind, c) not in pairs:
                    if kind == "rows":
                        a, b = column(0, c), column(1, c)
                    elif kind == "columns":
                        a, b = column(2, c), column(2, c + 1)
                    else:
                        a = b = column(2, c)
                    pairs[kind, c] = (k.let(unpack_low(a, b)), k.let(unpack_high(a, b)))
                return pairs[kind, c]

            for x in range(count):
                acc = [k.let(epilogue.bias(parameters, q0, h)) for h in range(2)]
                c = x * stride
                # The ninth tap has no partner (weight 0): take a pair that a later pixel needs.
                later = x + (1 if stride == 2 else 2)
                last = "columns" if later < count else "single"
                terms = [
                    ("rows", c),
                    ("rows", c + 1),
                    ("rows", c + 2),
                    ("columns", c),
                    (last, c + 2),
                ]
                for number, (kind, at) in enumerate(terms):
                    vectors = pair(kind, at)
                    for h in range(2):
                        w = load(weights, w0 + (2 * number + h) * 16, "int16x16")
                        acc[h] = k.let(acc[h] + madd(vectors[h], w))
                values = []
                for h in range(2):
                    q = epilogue.load(k, parameters, q0, h)
                    values.append(epilogue.rescale(k, acc[h], q))
                epilogue.store(k, output, to + x * channels, values)
    blocks = blocks_of(channels, 16)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_pairs(layer.weight, blocks, epilogue.doubled),
            epilogue.pack(bias, layer.requantize, blocks),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _float(graph: Graph, layer: DepthwiseConv2D, decisions: Mapping[str, Any]) -> RowKernel:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    k = Builder(
        symbol_name("depthwise_float32", _describe(graph, layer, decisions, clamp=layer.clamp))
    )
    rows = [k.pointer(f"row{r}", "float32") for r in range(3)]
    output = k.pointer("out", "float32")
    weights, bias = k.pointer("weights", "float32"), k.pointer("bias", "float32")
    size = int(decisions["pixels"])

    def tiles() -> Iterator[PixelTile]:
        return pixel_tiles(k, out.width, source.width, stride, left, size)

    for channel, packed, tile in depthwise_tiles(k, channels, 8, str(decisions["order"]), tiles):
        b = k.let(load(bias, packed, "float32x8"))
        w0 = k.let(packed * 9)
        for first, count, inside in (tile,):
            base = k.let((first * stride - left) * channels + channel)
            to = k.let(first * channels + channel)
            acc = [b] * count
            for r in range(3):
                w = [k.let(load(weights, w0 + 8 * (3 * r + q), "float32x8")) for q in range(3)]
                for c in range((count - 1) * stride + 3):
                    users = [x for x in range(count) if 0 <= c - x * stride < 3]
                    if not inside(c) or not users:
                        continue
                    v = k.let(load(rows[r], base + c * channels, "float32x8"))
                    for x in users:
                        acc[x] = k.let(fma(acc[x], v, w[c - x * stride]))
            for x in range(count):
                k.store(output, to + x * channels, clamp_float(acc[x], layer.clamp))
    blocks = blocks_of(channels, 8)
    taps = layer.weight.reshape(9, -1)
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_columns(taps, blocks),
            pack_columns(layer.bias, blocks),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


DEPTHWISE = LayerKind(depthwise_kernel, depthwise_space, default_depthwise)
