"""Dense convolutions on MVE: dot products of 16 input channels, four pixels at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.convolution import gather
from edgemnv2.schedules.dsp.matmul import ODD_CHANNELS, MatMul, matmul_of, wrap
from edgemnv2.schedules.dsp.requantize import reachable
from edgemnv2.schedules.dsp.rows import (
    clamp_and_pad,
    int8_io,
    int8_zero_point,
    pixel_tiles,
    row_layout,
    with_starts,
)
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.mve.requantize import Channels, channels_of
from edgemnv2.tir.row_function import At, Call, Loop, row_function

__all__ = ["convolution_channels", "convolution_kernel", "has_convolution"]

Array = NDArray[Any]

LANES = 16


def convolution_channels(graph: Graph, layer: Conv2D) -> Channels | None:
    """The requantisation of `layer`, or None where these kernels cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or not int8_io(out) or source.quant is None:
        return None
    if not layer.is_plain:
        return None
    if source.dtype != "int8" and (source.dtype != "uint8" or layer.op == "pointwise"):
        return None
    if str(layer.weight.dtype) != "int8":
        return None
    assert out.quant is not None
    span = reachable(layer.weight, layer.bias, int8_zero_point(source))
    return channels_of(layer.requantize, out.quant.zero_point, layer.clamp, span)


def has_convolution(graph: Graph, layer: Conv2D) -> bool:
    """Whether `layer` has a kernel here, whatever its neighbours."""
    if convolution_channels(graph, layer) is not None:
        return True
    product = matmul_of(graph, layer) if str(layer.weight.dtype) == "int8" else None
    single = graph.tensor_out(layer).width == 1
    return single and product is not None and has_dense(product)


def has_dense(product: MatMul) -> bool:
    """Whether `edgemnv2_mve_dense` computes it."""
    return product.quad_channels is not None and not product.meets_halves


def convolution_kernel(
    graph: Graph,
    layer: Conv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if source.name in layouts or not has_convolution(graph, layer):
        return None
    layout = row_layout(layouts, out)
    channel_rows = layout.order == "CW"
    pointwise = layer.op == "pointwise"
    if rows_per_step != 1 and (channel_rows or not pointwise):
        return None
    assert out.quant is not None
    depth = int(layer.weight[..., 0].size)
    padded = -(-depth // LANES) * LANES
    width = out.width * rows_per_step
    product = matmul_of(graph, layer) if width == 1 and not channel_rows else None
    dense = product is not None and has_dense(product)
    channels = convolution_channels(graph, layer)
    small = depth <= LANES and not dense
    gathered = not pointwise or (padded != depth and not small)
    pitch = layout.left + out.width + layout.right
    step, next_channel = (1, pitch) if channel_rows else (out.channels, 1)
    if 4 * step + next_channel >= 1 << 16 or (channels is None and not dense):
        return None
    if dense or not small:
        tiles = pixel_tiles(width)
    else:
        tiles = with_starts([(4, width // 4), (width % 4, 1)])
    widest = max(pixels for _, pixels, _ in tiles)
    first = layout.left if channel_rows else 0
    body: list[Call | Loop] = []
    if gathered:
        body.append(Call("memset", (At("scratch"), 0, widest * padded)))
    for start, pixels, count in tiles:
        calls = []
        x = At("row_0", start * depth, pixels * depth)
        if gathered:
            calls += gather(layer, source, start, pixels, padded, 0)
            x = At("scratch")
        y = At("out", first + start * step, pixels * step)
        if dense:
            calls.append(Call("edgemnv2_mve_dense", (x, At("stream"), y)))
        else:
            kernel = "small" if small else f"tile_{4 if pixels == 4 else 3}"
            assert channels is not None
            kernel += f"_{channels.kind}"
            # Four bits for the two outputs of every pixel.
            predicate = (1 << 4 * pixels) - 1
            calls.append(Call(f"edgemnv2_mve_{kernel}", (x, At("stream"), y, predicate)))
        body.append(Loop(count, tuple(calls)))
    body += clamp_and_pad(layer.clamp, layout, out, rows_per_step)
    if dense:
        assert product is not None
        stream = _dense_stream(product)
    else:
        assert channels is not None
        weight = layer.weight.reshape(depth, -1)
        bias = folded_bias(layer.bias, weight, int8_zero_point(source))
        offsets = [p * step + c * next_channel for p in range(4) for c in range(2)]
        record_bytes = padded * 2 + 24
        flags = ODD_CHANNELS * (out.channels % 2)
        header = [
            padded // LANES - 1,
            out.channels // 2 * record_bytes,
            padded if gathered else depth,
            out.quant.zero_point,
            2 * next_channel,
            depth,
            flags | record_bytes << 8,
            step,
        ]
        stream = np.concatenate(
            [
                np.array(header, np.int32),
                np.array(offsets, np.uint16).view(np.int32),
                _records(weight, bias, channels),
            ]
        )
    parameters = [(f"row_{row}", source.dtype) for row in range(layer.kernel[0])]
    parameters.append(("out", "int8"))
    if gathered:
        parameters.append(("scratch", "int8"))
    parameters.append(("stream", "int32"))
    symbol, code = row_function(f"mve_{layer.op}", parameters, body)
    return RowKernel(
        symbol=symbol,
        constants=(stream,),
        scratch_bytes=widest * padded if gathered else 0,
        rows_per_step=rows_per_step,
        code=code,
        c_requires=("cortex_m_mve.h", "cortex_m_patches.h"),
        decisions=dict(decisions),
    )


def _grouped(weight: Array, count: int) -> Array:
    """`[K, N]` as bytes `[N / count, groups, count, 16]`, completed with zeros."""
    depth, channels = weight.shape
    groups, blocks = -(-depth // LANES), -(-channels // count)
    full = np.zeros((groups * LANES, blocks * count), np.int8)
    full[:depth, :channels] = weight
    return full.reshape(groups, LANES, blocks, count).transpose(2, 0, 3, 1)


def _records(weight: Array, bias: Array, channels: Channels) -> Array:
    """Weights of two channels, then their biases, multipliers, shifts; the first 16 weights stand
    in front of the numbers of the two channels before (zeros behind the last)."""
    grouped = np.ascontiguousarray(_grouped(weight, 2))
    blocks = grouped.shape[0]
    words = np.zeros((blocks * 2, 3), np.int32)
    words[: weight.shape[1]] = channels.words(bias)
    body = grouped.reshape(blocks, -1).view(np.int32)
    first = LANES // 4
    ahead = np.concatenate([body[1:, :first], np.zeros((1, first), np.int32)])
    vectors = words.reshape(blocks, 2, 3).transpose(0, 2, 1).reshape(blocks, -1)
    records = np.concatenate([body[:, first:], ahead, vectors], axis=1)
    return np.concatenate([body[0, :first], records.reshape(-1)])


def _dense_stream(product: MatMul) -> Array:
    """The constants of `edgemnv2_mve_dense`."""
    channels = product.quad_channels
    assert channels is not None
    weight, bias = channels.reduced(product.weight, product.bias)
    grouped = np.ascontiguousarray(_grouped(weight, 4))
    blocks = grouped.shape[0]
    words = np.zeros((blocks * 4, 4), np.int32)
    words[: product.weight.shape[1]] = np.stack(
        [wrap(bias), channels.multiplier, channels.offset, -channels.shift], axis=1
    )
    body = grouped.reshape(blocks, -1).view(np.int32)
    vectors = words.reshape(blocks, 4, 4).transpose(0, 2, 1).reshape(blocks, -1)
    header = [grouped.shape[1], product.weight.shape[1], product.scale_bits]
    header.append(int(channels.sign_fix))
    stream: Array = np.concatenate(
        [np.array(header, np.int32), np.concatenate([body, vectors], axis=1).reshape(-1)]
    )
    return stream
