"""int8 3x3 depthwise convolution on AVX-512 VNNI, one output row from three input rows.

Blocks of 32 channels (16 at the end). `vpermt2b` interleaves the three rows of a column byte by
byte, so that `vpdpbusd` adds a channel's three taps (a fourth meets a zero weight). Columns outside
the image are the zero point.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx512.pointwise import epilogue_of
from edgemnv2.schedules.avx512.simd import dot4, flipped, load_bytes
from edgemnv2.schedules.family import LayerKind
from edgemnv2.tir.builder import (
    Builder,
    constant,
    load,
    shuffle,
    symbol_name,
)
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import PixelTile, column_cache, pixel_tiles

__all__ = ["DEPTHWISE"]

Expr = Any
Array = NDArray[Any]
Run = tuple[int, int, int]
"""First channel, blocks, channels of a block."""


def depthwise_space(graph: Graph, layer: DepthwiseConv2D) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: `pixels` computed at once, outermost loop."""
    return {"pixels": (2, 4, 7, 14), "order": ("channel", "pixel")}


def default_depthwise(graph: Graph, layer: DepthwiseConv2D) -> dict[str, Any]:
    """As was fastest on the paper's shapes."""
    order = "pixel" if graph.tensor_out(layer).width >= 56 else "channel"
    return {"pixels": 14, "order": order}


def channel_runs(channels: int) -> list[Run]:
    """Blocks that cover `channels` (16 or more); the last is moved back to fit."""
    runs: list[Run] = []
    at = 0
    for size in (32, 16):
        count = (channels - at) // size
        if count:
            runs.append((at, count, size))
            at += count * size
    return runs if at == channels else [*runs, (channels - 16, 1, 16)]


def interleaved_rows(k: Builder, rows: Sequence[Any], at: Expr, size: int) -> list[Expr]:
    """Vectors of (row 0, row 1, row 2, row 2) of 16 channels each, plus 128."""
    first, second, third = (load_bytes(row, at, size) for row in rows)
    both = k.let(flipped(shuffle([first, second], range(2 * size)), 2 * size))
    # Widened, because shuffles take operands of one type.
    last = k.let(flipped(shuffle([third, third], range(2 * size)), 2 * size))
    vectors = []
    for begin in range(0, size, 16):
        lanes = [n * size + c for c in range(begin, begin + 16) for n in (0, 1, 2, 2)]
        vectors.append(k.let(shuffle([both, last], lanes)))
    return vectors


def pack_weights(weight: Array, runs: list[Run]) -> Array:
    """int8 per block, column and vector: each channel's three rows and a zero."""
    taps = np.zeros((3, weight.shape[2], 4), np.int8)
    taps[..., :3] = weight.transpose(1, 2, 0)
    parts = [
        taps[:, start + block * size : start + (block + 1) * size].ravel()
        for start, count, size in runs
        for block in range(count)
    ]
    return np.concatenate(parts)


def depthwise_kernel(
    graph: Graph, layer: DepthwiseConv2D, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for other kernel sizes and few channels."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    chosen = epilogue_of(graph, layer)
    if layer.kernel != (3, 3) or out.channels < 16 or source.dtype != "int8" or chosen is None:
        return None
    epilogue, bias = chosen
    assert layer.requantize is not None and source.quant is not None
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    outside = (source.quant.zero_point + 128) - 256 * (source.quant.zero_point >= 0)
    description = {
        "width": (source.width, out.width),
        "C": channels,
        "stride": stride,
        "left": left,
        "outside": outside,
        "epilogue": epilogue.key,
        **decisions,
    }
    k = Builder(symbol_name("depthwise_int8", description))
    rows = [k.pointer(f"row{r}", "int8") for r in range(3)]
    output = k.pointer("out", "int8")
    weights, parameters = k.pointer("weights", "int8"), k.pointer("parameters", "int32")
    pixels, order = int(decisions["pixels"]), str(decisions["order"])
    runs = channel_runs(channels)

    def tile(first_channel: Expr, packed: Expr, size: int, pixel_tile: PixelTile) -> None:
        """`packed`: the block's first channel in the packed constants."""
        first, count, inside = pixel_tile
        base = k.let((first * stride - left) * channels + first_channel)
        to = k.let(first * channels + first_channel)
        w0, q0 = k.let(packed * 12), k.let(packed * epilogue.rows)
        vectors = size // 16

        def read(c: int) -> list[Expr]:
            return interleaved_rows(k, rows, base + c * channels, size)

        column = column_cache(inside, read, lambda: [constant(outside, "int8", 64)] * vectors)
        w = [
            [k.let(load(weights, w0 + (vectors * q + j) * 64, "int8x64")) for j in range(vectors)]
            for q in range(3)
        ]
        blocks = [q0 + j * epilogue.rows * 16 for j in range(vectors)]
        biases = [k.let(load(parameters, at, "int32x16")) for at in blocks]
        factors = [epilogue.load(k, parameters, at, 16) for at in blocks]
        together = 4 // vectors
        for begin in range(0, count, together):
            values = []
            group = range(begin, min(begin + together, count))
            for x in group:
                for j in range(vectors):
                    acc = biases[j]
                    for q in range(3):
                        acc = k.let(dot4(acc, column(x * stride + q)[j], w[q][j], 16))
                    values.append(epilogue.rescale(k, acc, factors[j], 16))
            made = epilogue.narrow(k, values, 16)
            for n, x in enumerate(group):
                part = shuffle([made], range(n * size, (n + 1) * size))
                k.store(output, to + x * channels, part)

    def tiles() -> Iterator[PixelTile]:
        return pixel_tiles(k, out.width, source.width, stride, left, pixels)

    def blocks_of_channels() -> Iterator[tuple[Expr, Expr, int]]:
        packed = 0
        for start, count, size in runs:
            if count == 1:
                yield start, packed, size
            else:
                with k.loop(count) as i:
                    offset = k.let(i * size)
                    yield offset + start, offset + packed, size
            packed += count * size

    if order == "channel":
        for channel, packed, size in blocks_of_channels():
            for pixel_tile in tiles():
                tile(channel, packed, size, pixel_tile)
    else:
        for pixel_tile in tiles():
            for channel, packed, size in blocks_of_channels():
                tile(channel, packed, size, pixel_tile)
    vectors = [
        np.arange(c, c + 16)
        for start, count, size in runs
        for c in range(start, start + count * size, 16)
    ]
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_weights(layer.weight, runs),
            epilogue.pack(bias, layer.requantize, vectors),
        ),
        code=Code.of(k),
        decisions=dict(decisions),
    )


DEPTHWISE = LayerKind(depthwise_kernel, depthwise_space, default_depthwise)
