"""Dense convolutions: pointwise and dense layers by tiles of pixels, others through patches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.matmul import BYTES, HALVES, QUADS, matmul_of
from edgemnv2.schedules.dsp.rows import (
    clamp_and_pad,
    int8_zero_point,
    pixel_tiles,
    row_layout,
)
from edgemnv2.schedules.dsp.short import SHORT
from edgemnv2.tir.row_function import At, Call, Loop, row_function

__all__ = ["convolution_kernel", "convolution_space", "default_convolution", "gather"]

HEADERS = ("cortex_m_patches.h", "cortex_m_pointwise.h")
_HALVES_DEPTH = 32
"""Up to this many input channels, int16 weights (twice the flash) save a tenth of the loop."""


def convolution_space(graph: Graph, layer: Conv2D) -> dict[str, tuple[Any, ...]]:
    """How the weights lie: `matmul.py`'s kinds."""
    product = matmul_of(graph, layer)
    return {} if product is None else {"weights": product.kinds}


def default_convolution(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """int16 weights where the inner loop is short; quads of channels for single pixels."""
    product = matmul_of(graph, layer)
    if product is None:
        return {}
    if graph.tensor_out(layer).width == 1 and QUADS in product.kinds:
        return {"weights": QUADS}
    if HALVES in product.kinds and product.depth <= _HALVES_DEPTH:
        return {"weights": HALVES}
    return {"weights": product.tile_kind if product.tile_channels is not None else QUADS}


def convolution_kernel(
    graph: Graph,
    layer: Conv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    product = matmul_of(graph, layer)
    if product is None or source.name in layouts:
        return None
    layout = row_layout(layouts, out)
    channel_rows = layout.order == "CW"
    pointwise = layer.op == "pointwise"
    if rows_per_step != 1 and (channel_rows or not pointwise):
        return None
    kind, short = str(decisions["weights"]), decisions.get("records") == SHORT
    if short and product.short(kind) is None:
        return None
    pitch = layout.left + out.width + layout.right
    step, next_channel = (1, pitch) if channel_rows else (out.channels, 1)
    first = layout.left if channel_rows else 0
    width = out.width * rows_per_step
    tiles = [(0, 1, width)] if kind == QUADS else pixel_tiles(width)
    widest = max(pixels for _, pixels, _ in tiles)
    words_bytes = product.words_bytes(widest, kind)
    patch = 0 if pointwise else product.groups * 4
    patches = words_bytes // 4
    body: list[Call | Loop] = []
    if patch:
        body.append(Call("memset", (At("scratch", patches), 0, widest * patch)))
    for start, pixels, count in tiles:
        calls = []
        widened = BYTES if kind == QUADS or product.has_common_shift(kind) else kind
        widen = f"edgemnv2_widen_{pixels}_{widened}"
        if pointwise:
            depth = source.channels
            x = At("row_0", start * depth, pixels * depth)
            calls.append(Call(widen, (x, At("scratch"), depth, depth)))
        else:
            calls += gather(layer, source, start, pixels, patch, patches)
            calls.append(Call(widen, (At("scratch", patches), At("scratch"), patch, patch)))
        calls += product.sums(kind, pixels)
        quads = "edgemnv2_quads_even" if product.meets_halves else "edgemnv2_quads"
        quads += "_short" if short else ""
        tile = quads if kind == QUADS else product.tile_name(kind, pixels, channel_rows, short)
        y = At("out", first + start * step, pixels * step)
        calls.append(Call(tile, (At("scratch"), At("stream"), y)))
        body.append(Loop(count, tuple(calls)))
    body += clamp_and_pad(layer.clamp, layout, out, rows_per_step)
    parameters = [(f"row_{row}", source.dtype) for row in range(layer.kernel[0])]
    parameters += [("out", "int8"), ("scratch", "int32"), ("stream", "int32")]
    symbol, code = row_function(f"dsp_{layer.op}", parameters, body)
    even = ("cortex_m_even.h",) if product.meets_halves else ()
    stream = (
        product.quad_stream(next_channel, short=short)
        if kind == QUADS
        else product.stream(kind, next_channel if channel_rows else step, channel_rows, short=short)
    )
    return RowKernel(
        symbol=symbol,
        constants=(np.ascontiguousarray(stream),),
        scratch_bytes=words_bytes + widest * patch,
        rows_per_step=rows_per_step,
        code=code,
        c_requires=(*HEADERS, *even, *product.headers(kind, short)),
        decisions=dict(decisions),
    )


def gather(
    layer: Conv2D, source: Tensor, start: int, pixels: int, patch: int, patches: int
) -> list[Call]:
    """Copies the windows of a tile side by side, `patch` bytes each, to element `patches`."""
    channels = int(layer.weight.shape[2])
    window, stride = layer.kernel[1] * channels, layer.stride[1] * channels
    column = At("", start * stride - layer.padding[1] * channels, pixels * stride)
    flip = 0x80 if source.dtype == "uint8" else 0
    calls = []
    for row in range(layer.kernel[0]):
        to = (At("scratch", patches), row * window, patch, pixels)
        zero = (int8_zero_point(source), flip)
        read = (At(f"row_{row}"), source.width * channels, column, stride, window)
        calls.append(Call("edgemnv2_patch_row", (*read, *to, *zero)))
    return calls
