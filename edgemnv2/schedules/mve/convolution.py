"""Dense convolutions on MVE: dot products of 16 input channels, four pixels at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Conv2D, Graph
from edgemnv2.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.matmul import ODD_CHANNELS, SIGN_FIX, wrap
from edgemnv2.schedules.dsp.source import (
    clamp_and_pad,
    function,
    int8_io,
    pixel_tiles,
    row_layout,
)
from edgemnv2.schedules.mve.requantize import Channels, channels_of

__all__ = ["convolution_channels", "convolution_kernel"]

Array = NDArray[Any]

LANES = 16


def convolution_channels(graph: Graph, layer: Conv2D) -> Channels | None:
    """The requantisation of `layer`, or None where these kernels cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or not int8_io(source, out):
        return None
    if str(layer.weight.dtype) != "int8":
        return None
    assert out.quant is not None
    return channels_of(layer.requantize, out.quant.zero_point, layer.clamp)


def convolution_kernel(
    graph: Graph,
    layer: Conv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    channels = convolution_channels(graph, layer)
    if channels is None or source.name in layouts:
        return None
    layout = row_layout(layouts, out)
    channel_rows = layout.order == "CW"
    pointwise = layer.op == "pointwise"
    if rows_per_step != 1 and (channel_rows or not pointwise):
        return None
    assert source.quant is not None and out.quant is not None
    weight = layer.weight.reshape(-1, layer.weight.shape[-1])
    bias = np.asarray(layer.bias, np.int64)
    bias = bias - source.quant.zero_point * weight.astype(np.int64).sum(axis=0)
    depth = int(weight.shape[0])
    padded = -(-depth // LANES) * LANES
    pixels_total = out.width * rows_per_step
    dense = pixels_total == 1 and not channel_rows
    small = depth <= LANES and not dense
    gathered = not pointwise or (padded != depth and not small)
    pitch = layout.left + out.width + layout.right
    step, next_channel = (1, pitch) if channel_rows else (out.channels, 1)
    if 4 * step + next_channel >= 1 << 16:
        return None
    if dense:
        tiles = [(1, 1)]
    elif small:
        tiles = [(4, pixels_total // 4), (pixels_total % 4, 1)]
    else:
        tiles = pixel_tiles(pixels_total)
    tiles = [(pixels, count) for pixels, count in tiles if pixels and count]
    widest = max(pixels for pixels, _ in tiles)
    rows = layer.kernel[0]
    body = []
    if gathered:
        body.append("int8_t *patches = (int8_t *)scratch;")
        body.append(f"memset(patches, 0, {widest * padded});")
    first = layout.left if channel_rows else 0
    pixel = 0
    for pixels, count in tiles:
        at = f"({pixel} + {pixels} * i)" if count > 1 else f"{pixel}"
        inner = _gather(layer, at, pixels, padded, source.width, source.quant.zero_point)
        x = "patches" if gathered else f"row_0 + {at} * {depth}"
        if dense:
            call = f"edgemnv2_mve_dense({x}, stream, out);"
        else:
            kernel = "small" if small else f"tile_{4 if pixels == 4 else 3}"
            predicate = (1 << 4 * pixels) - 1
            call = (
                f"edgemnv2_mve_{kernel}({x}, stream, out + {first} + {at} * {step}, {predicate});"
            )
        lines = [*(inner if gathered else []), call]
        if count > 1:
            lines = [f"for (int32_t i = 0; i < {count}; ++i) {{", *("    " + x for x in lines), "}"]
        body += lines
        pixel += pixels * count
    body += clamp_and_pad(layer.clamp, layout, out, rows_per_step)
    if dense:
        stream = _dense_stream(weight, bias, channels, out.quant.zero_point)
    else:
        offsets = [p * step + c * next_channel for p in range(4) for c in range(2)]
        header = [
            padded // LANES - 1,
            out.channels // 2 * (padded * 2 + 24),
            padded if gathered else depth,
            out.quant.zero_point,
            2 * next_channel,
            depth,
            SIGN_FIX * channels.sign_fix
            | ODD_CHANNELS * (out.channels % 2)
            | (padded * 2 + 24) << 8,
            step,
        ]
        stream = np.concatenate(
            [
                np.array(header, np.int32),
                np.array(offsets, np.uint16).view(np.int32),
                _records(weight, bias, channels, 2),
            ]
        )
    parameters = [f"const int8_t *row_{row}" for row in range(rows)]
    parameters.append("int8_t *out")
    if gathered:
        parameters.append("void *scratch")
    parameters.append("const int32_t *stream")
    symbol, text = function(f"mve_{layer.op}", {}, parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(stream,),
        scratch_bytes=widest * padded if gathered else 0,
        rows_per_step=rows_per_step,
        c_source=text,
        c_requires=("cortex_m_mve.h", "cortex_m_patches.h"),
        decisions=dict(decisions),
    )


def _gather(
    layer: Conv2D, at: str, pixels: int, padded: int, width: int, zero_point: int
) -> list[str]:
    """The windows of a tile, side by side."""
    channels = int(layer.weight.shape[2])
    window, stride = layer.kernel[1] * channels, layer.stride[1] * channels
    left = layer.padding[1] * channels
    return [
        f"edgemnv2_patch_row(row_{row}, {width * channels}, {at} * {stride} - {left}, {stride}, "
        f"{window}, patches + {row * window}, {padded}, {pixels}, {zero_point});"
        for row in range(layer.kernel[0])
    ]


def _grouped(weight: Array, count: int) -> Array:
    """`[K, N]` as bytes `[N / count, groups, count, 16]`, completed with zeros."""
    depth, channels = weight.shape
    groups, blocks = -(-depth // LANES), -(-channels // count)
    full = np.zeros((groups * LANES, blocks * count), np.int8)
    full[:depth, :channels] = weight
    return full.reshape(groups, LANES, blocks, count).transpose(2, 0, 3, 1)


def _records(weight: Array, bias: Array, channels: Channels, count: int) -> Array:
    """Records of `count` channels: weights, then the words of one channel after the other."""
    grouped = np.ascontiguousarray(_grouped(weight, count))
    blocks = grouped.shape[0]
    words = np.zeros((blocks * count, 3), np.int32)
    words[: weight.shape[1]] = np.stack([wrap(bias), channels.multiplier, channels.shift], axis=1)
    body = grouped.reshape(blocks, -1).view(np.int32)
    records: Array = np.concatenate([body, words.reshape(blocks, -1)], axis=1).reshape(-1)
    return records


def _dense_stream(weight: Array, bias: Array, channels: Channels, zero_point: int) -> Array:
    """The constants of `edgemnv2_mve_dense`."""
    grouped = np.ascontiguousarray(_grouped(weight, 4))
    blocks = grouped.shape[0]
    words = np.zeros((blocks * 4, 3), np.int32)
    words[: weight.shape[1]] = np.stack([wrap(bias), channels.multiplier, channels.shift], axis=1)
    body = grouped.reshape(blocks, -1).view(np.int32)
    vectors = words.reshape(blocks, 4, 3).transpose(0, 2, 1).reshape(blocks, -1)
    header = [grouped.shape[1], weight.shape[1], zero_point, int(channels.sign_fix)]
    stream: Array = np.concatenate(
        [np.array(header, np.int32), np.concatenate([body, vectors], axis=1).reshape(-1)]
    )
    return stream
