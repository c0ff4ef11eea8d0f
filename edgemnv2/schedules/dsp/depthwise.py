"""3x3 depthwise convolution on channel-major rows whose padding columns are filled in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.matmul import HALVES, SIGN_FIX, matmul_of, wrap
from edgemnv2.schedules.dsp.requantize import (
    SCALE_BITS,
    Channels,
    channels_of,
    common_shift,
    reachable,
    room_bits,
)
from edgemnv2.schedules.dsp.rows import clamp_and_pad, clamps, int8_io, pixel_tiles
from edgemnv2.schedules.dsp.short import SHORT, Short, short_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.tir.row_function import At, Call, Loop, row_function

__all__ = [
    "channel_rows",
    "depthwise_channels",
    "depthwise_kernel",
    "depthwise_layout",
    "depthwise_project_kernel",
    "depthwise_rows",
    "short_depthwise",
]

Array = NDArray[Any]

_ROWS = tuple((f"row_{i}", "int8") for i in range(3))
_LEAST_SCALE_BITS = 6
_HEADER, _LONG_WORDS, _SHORT_WORDS = 8, 8, 5
"""Words before the first channel's record, and of a record."""


def depthwise_channels(graph: Graph, layer: DepthwiseConv2D) -> Channels | None:
    """The requantisation of `layer`, or None where this kernel cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or layer.kernel != (3, 3) or not int8_io(source, out):
        return None
    if not layer.is_plain:
        return None
    if layer.stride not in ((1, 1), (2, 2)):
        return None
    assert source.quant is not None and out.quant is not None
    span = reachable(layer.weight, layer.bias, source.quant.zero_point)
    scale_bits = room_bits(layer.weight)
    if scale_bits < _LEAST_SCALE_BITS:
        return None
    ends = span, out.quant.zero_point, layer.clamp
    channels = channels_of(layer.requantize, *ends, scale_bits, halves=True)
    # The sign fix is written for the full scale.
    if channels is None or (channels.sign_fix and scale_bits != SCALE_BITS):
        return None
    return channels


def short_depthwise(graph: Graph, layer: DepthwiseConv2D) -> Short | None:
    """The requantisation in records that take less flash, or None where there are none."""
    channels, out = depthwise_channels(graph, layer), graph.tensor_out(layer)
    if channels is None or room_bits(layer.weight) != SCALE_BITS:
        return None
    assert out.quant is not None
    return short_of(channels, out.quant.zero_point, SCALE_BITS)


def _common_shift(graph: Graph, layer: DepthwiseConv2D) -> tuple[Channels, Array] | None:
    """The requantisation with one shift of all channels, and their scales, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    assert layer.requantize is not None and source.quant is not None and out.quant is not None
    span = reachable(layer.weight, layer.bias, source.quant.zero_point)
    ends = out.quant.zero_point, layer.clamp
    return common_shift(layer.requantize, span, *ends, room_bits(layer.weight))


def depthwise_layout(graph: Graph, layer: DepthwiseConv2D) -> RowLayout:
    """The layout that the kernel wants its input in: exactly the columns that it reads."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    columns = layer.stride[1] * (out.width - 1) + 3
    left = layer.padding[1]
    return RowLayout("CW", left, max(0, columns - left - source.width))


def depthwise_rows(
    graph: Graph, layer: DepthwiseConv2D, layouts: Mapping[str, RowLayout], output: str
) -> RowLayout | None:
    """The input's layout where the kernel can read it and `output` is plain NHWC, else None."""
    layout = layouts.get(layer.inputs[0])
    fits = layout == depthwise_layout(graph, layer) and output not in layouts
    return layout if fits else None


def channel_rows(
    graph: Graph,
    makes: Callable[[Conv2D], bool],
    reads: Callable[[DepthwiseConv2D], bool],
) -> dict[str, RowLayout]:
    """Layouts of the tensors that go from a convolution to one depthwise layer and nowhere else.

    `makes` and `reads` say whether a family has kernels for the two layers.
    """
    readers = Counter(name for layer in graph.layers for name in layer.inputs)
    makers = {layer.output: layer for layer in graph.layers}
    chosen = {}
    for layer in graph.layers:
        if not isinstance(layer, DepthwiseConv2D) or readers[layer.inputs[0]] != 1:
            continue
        name = layer.inputs[0]
        maker = makers.get(name)
        if not isinstance(maker, Conv2D) or name in graph.outputs or layer.kernel != (3, 3):
            continue
        if makes(maker) and reads(layer):
            chosen[name] = depthwise_layout(graph, layer)
    return chosen


def depthwise_kernel(
    graph: Graph,
    layer: DepthwiseConv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels = depthwise_channels(graph, layer)
    layout = depthwise_rows(graph, layer, layouts, layer.output)
    if channels is None or layout is None:
        return None
    step = layer.stride[1]
    pitch = layout.left + source.width + layout.right
    kind = "FIXED" if channels.sign_fix else "PLAIN"
    arguments = (At("row_0"), At("row_1"), At("row_2"), At("out"), At("stream"))
    headers: tuple[str, ...] = ("cortex_m_depthwise.h",)
    assert source.quant is not None
    ends = source.quant.zero_point, out.width, pitch
    stream = _stream(layer, channels, room_bits(layer.weight), *ends)
    if decisions.get("records") == SHORT:
        short = short_depthwise(graph, layer)
        if short is None or out.width == 1:
            return None
        stream = _short_stream(layer, channels, short, *ends)
        call = Call(f"edgemnv2_depthwise_short_{step}_{short.kernel}", arguments)
        headers += ("cortex_m_short_depthwise.h",)
    elif channels.halves is not None:
        call = Call("edgemnv2_depthwise_even", (*arguments, step))
        headers += ("cortex_m_even.h",)
    elif out.width == 1:
        call = Call("edgemnv2_depthwise_portable", (*arguments, step))
    else:
        call = Call(f"edgemnv2_depthwise_{step}_{kind}", arguments)
    body = [call, *clamp_and_pad(layer.clamp, RowLayout(), out)]
    parameters = [*_ROWS, ("out", "int8"), ("stream", "int32")]
    symbol, code = row_function("dsp_depthwise", parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(stream,),
        code=code,
        c_requires=headers,
        decisions=dict(decisions),
    )


def depthwise_project_kernel(
    graph: Graph,
    layer: DepthwiseConv2D,
    project: Conv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
) -> RowKernel | None:
    """Depthwise and the projection behind it by tiles of pixels, or None.

    The depthwise output exists for one tile only, widened as the projection reads it: less memory
    than its row, and less work.
    """
    source, middle, out = (
        graph.tensor_in(layer),
        graph.tensor_out(layer),
        graph.tensor_out(project),
    )
    channels = depthwise_channels(graph, layer)
    product = matmul_of(graph, project)
    layout = depthwise_rows(graph, layer, layouts, project.output)
    if channels is None or layout is None or product is None or product.tile_channels is None:
        return None
    if channels.halves is not None:
        return None
    weights = product.tile_kind
    assert source.quant is not None
    step, count = layer.stride[1], middle.channels
    pitch = layout.left + source.width + layout.right
    kind = "FIXED" if channels.sign_fix else "PLAIN"
    scale_bits: int | Array = room_bits(layer.weight)
    ends = source.quant.zero_point, out.width, pitch
    headers: tuple[str, ...] = ("cortex_m_depthwise.h",)
    records, words = "edgemnv2_window", _LONG_WORDS
    common = _common_shift(graph, layer)
    if decisions.get("window_records") == SHORT:
        short = short_depthwise(graph, layer)
        if short is None:
            return None
        stream = _short_stream(layer, channels, short, *ends)
        kind, records, words = short.kernel, "edgemnv2_window_short", _SHORT_WORDS
        headers += ("cortex_m_short_depthwise.h",)
    else:
        if common is not None:
            kind, (channels, scale_bits) = "COMMON", common
        stream = _stream(layer, channels, scale_bits, *ends)
    brief = decisions.get("records") == SHORT
    if brief and product.short(weights) is None:
        return None
    tiles = pixel_tiles(out.width)
    half = -(-count // 2)
    body: list[Call | Loop] = []
    for start, pixels, repeats in tiles:
        calls = []
        for part, (begin, size) in enumerate(((0, half), (half, count - half))):
            rows = [At(f"row_{i}", begin * pitch + start * step, pixels * step) for i in range(3)]
            first = At("depthwise", _HEADER + words * begin)
            window = f"{records}_{step}_{pixels}_{kind}"
            if size:
                calls.append(Call(window, (*rows, At("scratch", part), first, pitch, size)))
        narrow = clamps(layer.clamp)
        if narrow:
            calls.append(Call("edgemnv2_clamp_words", (At("scratch"), half * pixels, *narrow)))
        if weights == HALVES and not product.has_common_shift(weights):
            calls.append(Call("edgemnv2_scale_words", (At("scratch"), half * pixels)))
        calls += product.sums(weights, pixels, split=True)
        y = At("out", start * out.channels, pixels * out.channels)
        tile = product.tile_name(weights, pixels, False, brief)
        calls.append(Call(tile, (At("scratch"), At("project"), y)))
        body.append(Loop(repeats, tuple(calls)))
    body += clamp_and_pad(project.clamp, RowLayout(), out)
    parameters = [*_ROWS, ("out", "int8"), ("scratch", "int16")]
    parameters += [("depthwise", "int32"), ("project", "int32")]
    symbol, code = row_function("dsp_depthwise_project", parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(
            stream,
            product.stream(weights, out.channels, False, split=True, short=brief),
        ),
        scratch_bytes=product.words_bytes(max(pixels for _, pixels, _ in tiles), weights),
        code=code,
        c_requires=(*headers, "cortex_m_pointwise.h", *product.headers(weights, brief)),
        fuses=(layer.name,),
        decisions={**decisions, "weights": weights},
    )


def _stream(
    layer: DepthwiseConv2D,
    channels: Channels,
    scale_bits: int | Array,
    zero_point: int,
    width: int,
    pitch: int,
) -> Array:
    """The constants of `cortex_m_depthwise.h`, int32; sums are scaled by `2**scale_bits`."""
    scale = np.int64(1) << scale_bits
    weight = layer.weight.astype(np.int64)
    weight, bias = channels.reduced(weight, folded_bias(layer.bias, weight, zero_point))
    taps = (weight * scale).astype(np.int16)
    halves = np.stack(
        [
            taps[0, 0],
            taps[0, 2],
            taps[0, 1],
            taps[1, 1],
            taps[1, 0],
            taps[1, 2],
            taps[2, 0],
            taps[2, 2],
            taps[2, 1],
            channels.shift_words().astype(np.int16),
        ],
        axis=1,
    )
    records = np.concatenate(
        [
            wrap(bias * scale + channels.fractions)[:, None],
            np.ascontiguousarray(halves).view(np.int32),
            channels.words()[:, :2],
        ],
        axis=1,
        dtype=np.int32,
    )
    return np.concatenate([_header(layer, channels, width, pitch), records.reshape(-1)])


def _short_stream(
    layer: DepthwiseConv2D,
    channels: Channels,
    short: Short,
    zero_point: int,
    width: int,
    pitch: int,
) -> Array:
    """The constants of `cortex_m_short_depthwise.h`, int32."""
    wide = layer.weight.astype(np.int64)
    weight, bias = channels.reduced(wide, folded_bias(layer.bias, wide, zero_point))
    taps = weight.astype(np.int8)
    scaled = (bias + short.bias << SCALE_BITS) + channels.fractions
    ends = [np.full(taps.shape[2:], short.twice & 0xFF), np.full(taps.shape[2:], short.twice >> 8)]
    order = [taps[y, x] for y, x in _TAPS]
    spelled = np.stack([*order, short.byte, *ends], axis=1).astype(np.uint8)
    words = [wrap(scaled)[:, None], short.multiplier[:, None], spelled.view(np.int32)]
    records = np.concatenate(words, axis=1, dtype=np.int32)
    return np.concatenate([_header(layer, channels, width, pitch), records.reshape(-1)])


_TAPS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 0), (2, 0), (1, 2), (2, 2), (2, 1))
"""Rows and columns of the taps in a short record."""


def _header(layer: DepthwiseConv2D, channels: Channels, width: int, pitch: int) -> Array:
    count, step = layer.weight.shape[2], layer.stride[1]
    header = [
        count,
        width // 4,
        width % 4,
        pitch - step * width,
        1 - count * width,
        SIGN_FIX * channels.sign_fix,
        width,
        pitch,
    ]
    return np.array(header, np.int32)
