"""The stem on NEON: one output row, its receptive fields gathered into scratch, then a GEMM.

Gathering costs a dozen instructions a pixel, against hundreds in the GEMM, and makes one kernel of
all sizes, strides and paddings. Columns outside the image are filled with the zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends, stem_builder
from edgemnv2.schedules.neon.held_gemm import HELD, QUAD
from edgemnv2.schedules.neon.int8_gemm import pairs_fit
from edgemnv2.schedules.neon.isa import LANES, Isa
from edgemnv2.schedules.neon.pointwise import (
    default_pointwise,
    gemm_of,
    pointwise_space,
    supported,
)
from edgemnv2.tir.builder import Builder, cast, constant, element, lane, load, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import (
    Panel,
    copy_pieces,
    pack_columns,
    panels_of,
    pixel_tiles,
    walk,
    window_pieces,
)

__all__ = ["CONV2D"]

Expr = Any
MOST_DIRECT_TAPS = 9
"""Floats of a window's row up to which `_direct_kernel` has registers enough: 3 columns of 3."""
LONGEST_LIST = 4
"""Vectors that one `st1` stores."""


def conv2d_space(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """As pointwise, without blocks: one row of windows is in L1 anyway."""
    space = pointwise_space(graph, layer, isa)
    orders = tuple(order for order in space["order"] if order in ("panel", "pixel", HELD))
    return {**space, "order": orders}


def default_conv2d(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, Any]:
    """As pointwise; smaller float tiles, whose window's vectors need registers too."""
    decisions = default_pointwise(graph, layer, isa)
    if decisions["order"] != HELD:
        decisions |= {"order": "panel"}
    if layer.requantize is None and isa.arm64:
        half = graph.tensor_out(layer).dtype == "float16" and decisions["nr"] >= 16
        decisions |= {"mr": 8, "nr": 16 if half else 8}
    return decisions


def conv2d_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for dtypes that are not ours."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    integer = layer.requantize is not None
    unsigned = integer and source.dtype == "uint8"
    # The image may come as uint8 or float32 into an int8 or float16 network.
    accepted = {"int8": ("uint8",), "float16": ("float32",)}.get(out.dtype, ())
    if source.dtype != out.dtype and source.dtype not in accepted:
        return None
    if not supported(layer, out.dtype, out.dtype, isa):
        return None
    if not integer and layer.kernel[1] * source.channels <= MOST_DIRECT_TAPS:
        return _direct_kernel(graph, layer, isa, decisions)
    rows, columns = layer.kernel
    taps = columns * source.channels
    depth = rows * taps
    # int8 vectors may cover a few elements more: they meet zero weights. A float there could be a
    # NaN of earlier use, so float rows have no such rest.
    fours = isa.dotprod or (decisions["order"] == HELD and pairs_fit(layer.weight))
    granule = 1 if not integer else (QUAD if fours else 16)
    padded = -(-depth // granule) * granule
    weight = np.zeros((padded, out.channels), layer.weight.dtype)
    weight[:depth] = layer.weight.reshape(depth, out.channels)
    ends = Ends.of(graph, layer)
    # uint8 values are made int8 by flipping the top bit, that is, by taking 128 off.
    shifted = ends.zero_in - 128 if unsigned else ends.zero_in
    gemm = gemm_of(isa, layer, weight, decisions, replace(ends, source=out.dtype, zero_in=shifted))
    if gemm is None:
        return None
    k, inputs, pointers = stem_builder(graph, layer, gemm, decisions, unsigned="int8")
    stride, left = layer.stride[1], layer.padding[1]
    stored = "int8" if unsigned else source.dtype
    for first, _, inside in pixel_tiles(k, out.width, source.width, stride, left, 1, columns):
        for r in range(rows):
            at = k.let((first * stride - left) * source.channels)
            to = k.let(first * padded + r * taps)
            for n, lanes, exists in window_pieces(k, inside, columns, source.channels):
                suffix = f"x{lanes}" if lanes > 1 else ""
                if exists:
                    value = load(inputs[r], at + n, stored + suffix)
                    if stored != gemm.dtype:
                        value = cast(value, gemm.dtype + suffix)
                    if unsigned:
                        value = value ^ _constant(-128, "int8", lanes)
                else:
                    value = _constant(shifted, gemm.dtype, lanes)
                k.store(pointers.scratch, to + n, value)
    gemm.emit(k, pointers, out.width, int(decisions["mr"]), str(decisions["order"]))
    return RowKernel(
        symbol=k.symbol,
        constants=tuple(gemm.constants()),
        scratch_bytes=out.width * padded * np.dtype(gemm.dtype).itemsize,
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _direct_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """Float stems: rows are copied to scratch with their padding, pixels share loaded vectors.

    A tile's pixels read overlapping windows of a row; all of it is loaded once, and the multiplier
    of a tap is the lane where it happens to lie.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    dtype, lanes = out.dtype, LANES[out.dtype]
    panels = panels_of(out.channels, int(decisions["nr"]), lanes)
    if panels is None or int(decisions["nr"]) % lanes:
        return None
    rows, columns = layer.kernel
    stride, left = layer.stride[1], layer.padding[1]
    depth, step, taps = source.channels, stride * source.channels, columns * source.channels
    needed = (out.width - 1) * stride + columns
    copied = min(source.width, needed - left)
    # Vectors may reach beyond the last window, into lanes that no tap uses.
    row_elements = -(-needed * depth // lanes) * lanes + lanes
    description = {
        "width": out.width,
        "source": (source.width, depth, source.dtype),
        "N": out.channels,
        "kernel": layer.kernel,
        "stride": stride,
        "left": left,
        "clamp": layer.clamp,
        "isa": isa,
        "direct": True,
        **decisions,
    }
    k = Builder(symbol_name(f"conv2d_{dtype}", description))
    inputs = [k.pointer(f"row{r}", source.dtype) for r in range(rows)]
    output, scratch = k.pointer("out", dtype), k.pointer("scratch", dtype)
    weights, bias = k.pointer("weights", dtype), k.pointer("bias", dtype)
    for r in range(rows):
        to = r * row_elements
        for begin, end in ((0, left), (left + copied, needed)):
            for n, width in copy_pieces(begin * depth, end * depth):
                k.store(scratch, to + n, _constant(0.0, dtype, width))
        _copy_row(
            k, isa, inputs[r], source.dtype, scratch, to + left * depth, dtype, copied * depth
        )

    def tile(first: Expr, mr: int, panel: Panel) -> None:
        nr, vectors = panel.width, panel.width // lanes
        full = f"{dtype}x{lanes}"
        acc = k.registers(full, mr * vectors)
        for j in range(vectors):
            b = k.let(load(bias, panel.packed + lanes * j, full))
            for m in range(mr):
                k.set(acc, m * vectors + j, b)
        # A loop over the rows: written out, LLVM would keep all weights in registers, and spill.
        with k.loop(rows) as r:
            at = k.let(first * step + r * row_elements)
            w0 = k.let(panel.packed * (rows * taps) + r * (taps * nr))
            span = (mr - 1) * step + taps
            x = [k.let(load(scratch, at + i, full)) for i in range(0, span, lanes)]
            for t in range(taps):
                wv = [k.let(load(weights, w0 + (t * nr + lanes * j), full)) for j in range(vectors)]
                for m in range(mr):
                    place, number = divmod(m * step + t, lanes)
                    value = lane(x[place], number, lanes)
                    for j in range(vectors):
                        n = m * vectors + j
                        k.set(acc, n, isa.fma(element(acc, n), value, wv[j], dtype))
        for m in range(mr):
            at = k.let((first + m) * out.channels + panel.channel)
            sums = [element(acc, m * vectors + j) for j in range(vectors)]
            isa.store(k, output, at, [isa.clamp(v, layer.clamp, dtype) for v in sums], dtype)

    walk(k, out.width, int(decisions["mr"]), panels, str(decisions["order"]), tile)
    flat = layer.weight.reshape(rows * taps, out.channels)
    blocks = panels.blocks()
    return RowKernel(
        symbol=k.symbol,
        constants=(
            pack_columns(flat, blocks).astype(dtype),
            pack_columns(layer.bias, blocks).astype(dtype),
        ),
        scratch_bytes=rows * row_elements * np.dtype(dtype).itemsize,
        code=Code.of(k),
        decisions=dict(decisions),
    )


def _copy_row(
    k: Builder, isa: Isa, source: Any, stored: str, scratch: Any, to: int, dtype: str, count: int
) -> None:
    """`count` elements of `source` to `scratch[to]`, converted; by lists where the core has them.

    Of anything else LLVM would make a call of `memcpy`, which stores pairs of registers.
    """

    def copy(at: Expr, lanes: int) -> None:
        suffix = f"x{lanes}" if lanes > 1 else ""
        value = load(source, at, stored + suffix)
        k.store(scratch, at + to, value if stored == dtype else cast(value, dtype + suffix))

    def copy_list(at: Expr, vectors: int) -> None:
        full = f"{dtype}x{LANES[dtype]}"
        values = [k.let(load(source, at + LANES[dtype] * j, full)) for j in range(vectors)]
        isa.store(k, scratch, at + to, values, dtype)

    lists = isa.stores_lists and stored == dtype
    size = LONGEST_LIST * LANES[dtype] if lists else 8
    with k.loop(count // size) as i:
        if lists:
            copy_list(k.let(i * size), LONGEST_LIST)
        else:
            copy(k.let(i * size), size)
    for at, lanes in copy_pieces(count // size * size, count):
        copy(at, lanes)


def _constant(value: float, dtype: str, lanes: int) -> Expr:
    return constant(value, dtype, lanes) if lanes > 1 else tirx.const(value, dtype)


CONV2D = LayerKind(conv2d_kernel, conv2d_space, default_conv2d)
