"""3x3 depthwise convolution in WebAssembly, one output row from three input rows.

A few output pixels at once share input columns. int8: eight channels, widened as they are loaded;
two taps are interleaved for `i32x4.dot_i16x8_s`: those of the first two rows in one column, and of
the third row in two columns. Outside the image lie zero points (int8) or nothing (float32).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from edgemnv2.tir.builder import Builder, address, cast, constant, load, shuffle, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import blocks_of, column_cache, pack_columns, pixel_runs

__all__ = ["DEPTHWISE"]

Expr = Any
Array = NDArray[Any]
CHANNELS = 8
"""Of one vector of widened pixels."""
PAIRS = ((0, 3), (1, 4), (2, 5), (6, 7), (8, None))
"""Taps (row * 3 + column) of one dot product."""
WEIGHTS = 2 * CHANNELS * len(PAIRS)
"""int16 of one block of channels."""


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


@dataclass(frozen=True)
class _Place:
    """Where the loop over tiles and blocks of channels stands: elements from the pointers."""

    base: Expr
    out: Expr
    channels: Expr
    block: Expr
    begin: int
    """The first input column that the tile reads; `base` is there."""


@dataclass(frozen=True)
class _Loop:
    """The inner loop of one kind of kernel: `size` channels at once, and what it is known by."""

    dtype: str
    weights_dtype: str
    second_dtype: str
    size: int
    key: tuple[Any, ...]
    body: Callable[[Builder, list[Any], _Place, int, Callable[[int], bool]], None]


def _row_kernel(
    graph: Graph,
    layer: DepthwiseConv2D,
    inner: _Loop,
    decisions: Mapping[str, Any],
    *constants: Array,
) -> RowKernel:
    """Calls of the inner loop for one output row.

    The loops are functions that layers share and call often, as those of 1x1 convolution are
    (`gemm`): they know the stride and which columns exist, not how many channels there are.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels, stride, left = out.channels, layer.stride[1], layer.padding[1]
    size, by_pixel = int(decisions["pixels"]), decisions["order"] == "pixel"
    shape = (source.width, out.width, channels, stride, left)
    description = {"shape": shape, "more": inner.key, **decisions}
    k = Builder(symbol_name(f"depthwise_{inner.dtype}", description))
    rows, output = (
        [k.pointer(f"row{r}", inner.dtype) for r in range(3)],
        k.pointer("out", inner.dtype),
    )
    weights = k.pointer("weights", inner.weights_dtype)
    second = k.pointer("parameters", inner.second_dtype)
    full, rest = divmod(channels, inner.size)
    blocks = [(0, 0, full), *([(channels - inner.size, full, 1)] if rest else [])]
    for start, run, count, inside in pixel_runs(out.width, source.width, stride, left, size):
        columns = [c for c in range((count - 1) * stride + 3) if inside(c)]
        begin = columns[0] if columns else 0  # where all lie in the padding, none is read
        function = _tiles(inner, stride, count, columns)
        once, at_once = (run, 1) if by_pixel else (1, run)
        with k.loop(once) as i:
            first = k.let(i * count + start)
            base = k.let((first * stride + (begin - left)) * channels)
            for channel, block, many in blocks:
                places = [address(row, base + channel) for row in rows]
                to = address(output, first * channels + channel)
                constant_places = (address(weights, 0), address(second, 0))
                k.call(function, *places, *constant_places, to, channels, block, many, at_once)
    return RowKernel(
        symbol=k.symbol,
        constants=constants,
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _tiles(inner: _Loop, stride: int, count: int, columns: list[int]) -> Builder:
    """`blocks` blocks of channels from packed block `first` on, of each `tiles` tiles of `count`
    pixels, of whose input columns `columns` exist; `channels`: from pixel to pixel."""
    key = (inner.key, stride, count, tuple(columns))
    k = Builder(symbol_name(f"tiles_depthwise_{inner.dtype}", {"key": key}))
    rows = [k.pointer(f"row{r}", inner.dtype) for r in range(3)]
    constants = [k.pointer("weights", inner.weights_dtype), k.pointer("second", inner.second_dtype)]
    pointers = [*rows, *constants, k.pointer("out", inner.dtype)]
    channels, first, blocks, tiles = (
        k.number(name) for name in ("channels", "first", "blocks", "tiles")
    )
    with k.loop(blocks) as block, k.loop(tiles) as tile:
        channel, pixel = k.let(block * inner.size), k.let(tile * count)
        base = k.let(pixel * stride * channels + channel)
        to = k.let(pixel * channels + channel)
        place = _Place(base, to, channels, k.let(first + block), min(columns, default=0))
        inner.body(k, pointers, place, count, lambda c: c in columns)
    return k


def _int8(
    graph: Graph,
    layer: DepthwiseConv2D,
    epilogue: WebEpilogue,
    bias: Array,
    decisions: Mapping[str, Any],
) -> RowKernel:
    stride, zero = layer.stride[1], Ends.of(graph, layer).zero_in

    def body(
        k: Builder, pointers: list[Any], at: _Place, count: int, inside: Callable[[int], bool]
    ) -> None:
        *rows, weights, parameters, output = pointers
        w0, q0 = k.let(at.block * WEIGHTS), k.let(at.block * (CHANNELS * epilogue.rows))

        def read(r: int, c: int) -> Expr:
            place = at.base + (c - at.begin) * at.channels
            return k.let(cast(load(rows[r], place, "int8x8"), "int16x8"))

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
            epilogue.store(k, output, at.out + x * at.channels, made)

    inner = _Loop("int8", "int16", "int32", CHANNELS, (zero, epilogue.key), body)
    blocks = blocks_of(graph.tensor_out(layer).channels, CHANNELS)
    constants = (_pack(layer.weight, blocks), epilogue.pack(bias, blocks))
    return _row_kernel(graph, layer, inner, decisions, *constants)


def _pack(weight: Array, blocks: list[tuple[int, int]]) -> Array:
    """int16 weights by blocks of eight channels: of each pair of taps four channels, then four."""
    taps = weight.reshape(9, -1).astype(np.int16)
    nothing = np.zeros_like(taps[0])
    pairs = [np.stack([taps[a], nothing if b is None else taps[b]], axis=1) for a, b in PAIRS]
    return np.concatenate([pair[c : c + n].ravel() for c, n in blocks for pair in pairs])


def _float(
    graph: Graph, layer: DepthwiseConv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel:
    stride = layer.stride[1]

    def body(
        k: Builder, pointers: list[Any], at: _Place, count: int, inside: Callable[[int], bool]
    ) -> None:
        *rows, weights, bias, output = pointers
        w0 = k.let(at.block * (9 * BLOCK))
        sums = [k.let(load(bias, at.block * BLOCK, "float32x4"))] * count
        for r in range(3):
            row = [k.let(load(weights, w0 + BLOCK * (3 * r + q), "float32x4")) for q in range(3)]
            for c in range((count - 1) * stride + 3):
                users = [x for x in range(count) if 0 <= c - x * stride < 3]
                if users and inside(c):
                    place = at.base + (c - at.begin) * at.channels
                    value = k.let(load(rows[r], place, "float32x4"))
                    for x in users:
                        total = isa.multiply_add(sums[x], value, row[c - x * stride])
                        sums[x] = k.let(total)
        for x, total in enumerate(sums):
            k.store(output, at.out + x * at.channels, isa.clamp(total, layer.clamp))

    inner = _Loop("float32", "float32", "float32", BLOCK, (layer.clamp,), body)
    blocks = blocks_of(graph.tensor_out(layer).channels, BLOCK)
    constants = (
        pack_columns(layer.weight.reshape(9, -1), blocks),
        pack_columns(layer.bias, blocks),
    )
    return _row_kernel(graph, layer, inner, decisions, *constants)


DEPTHWISE = LayerKind(depthwise_kernel, _space, _default)
