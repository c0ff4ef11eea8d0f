"""3x3 depthwise convolution on MVE: the three rows interleaved, a window is one dot product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgemnv2.ops.convolution.layer import DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.depthwise import depthwise_rows
from edgemnv2.schedules.dsp.requantize import reachable
from edgemnv2.schedules.dsp.rows import int8_io
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.mve.requantize import Channels, channels_of
from edgemnv2.tir.row_function import At, Call, Loop, row_function

__all__ = ["depthwise_channels", "depthwise_kernel"]

_COLUMNS = 64
"""About so many columns are interleaved at once: scratch against the cost of a call."""
_SETUP, _RECORD = 8, 7
"""Words of the constants before the channels, and of every channel."""
_SLACK = 32
"""The last windows of a row read so many bytes beyond its columns."""


def depthwise_channels(graph: Graph, layer: DepthwiseConv2D) -> Channels | None:
    """The requantisation of `layer`, or None where this kernel cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or layer.kernel != (3, 3) or not int8_io(source, out):
        return None
    if not layer.is_plain:
        return None
    if layer.stride not in ((1, 1), (2, 2)) or str(layer.weight.dtype) != "int8":
        return None
    assert source.quant is not None and out.quant is not None
    span = reachable(layer.weight, layer.bias, source.quant.zero_point)
    return channels_of(layer.requantize, out.quant.zero_point, layer.clamp, span)


def depthwise_kernel(
    graph: Graph,
    layer: DepthwiseConv2D,
    layouts: Mapping[str, RowLayout],
    decisions: Mapping[str, Any],
) -> RowKernel | None:
    """The kernel of `layer`, or None."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    layout = depthwise_rows(graph, layer, layouts, layer.output)
    channels = depthwise_channels(graph, layer) if layout is not None else None
    if channels is None or layout is None:
        return None
    assert source.quant is not None and out.quant is not None
    pitch = layout.left + source.width + layout.right
    group = min(out.channels, max(1, _COLUMNS // pitch))
    columns = -(-group * pitch // 16) * 16
    step, kind = layer.stride[1], channels.kind

    def some(first: int, channels: int) -> tuple[Call, Call]:
        """The calls for `channels` channels; the enclosing loop starts at channel `first`."""
        rows = [At(f"row_{i}", first * pitch, channels * pitch) for i in range(3)]
        records = At("stream", _SETUP + _RECORD * first, _RECORD * channels)
        y = At("out", first, channels)
        return (
            Call("edgemnv2_mve_interleave", (*rows, At("scratch"), channels * pitch)),
            Call(
                f"edgemnv2_mve_depthwise_{step}_{kind}",
                (At("scratch"), At("stream"), y, records, channels),
            ),
        )

    whole, rest = divmod(out.channels, group)
    body: list[Call | Loop] = [Loop(whole, some(0, group))]
    if rest:
        body += some(whole * group, rest)
    parameters = [*((f"row_{i}", "int8") for i in range(3)), ("out", "int8")]
    parameters += [("scratch", "int8"), ("stream", "int32")]
    symbol, code = row_function("mve_depthwise", parameters, body)
    bias = folded_bias(layer.bias, layer.weight, source.quant.zero_point)
    taps = np.zeros((out.channels, 4, 4), np.int8)
    taps[:, :3, :3] = layer.weight.transpose(2, 1, 0)
    low, high = max(-128, int(layer.clamp[0])), min(127, int(layer.clamp[1]))
    quads = (out.width - 1) // 4
    setup = [out.channels, quads, out.width - 4 * quads, pitch * 4, out.quant.zero_point]
    records = np.concatenate(
        [taps.reshape(out.channels, 16).view(np.int32), channels.words(bias)], axis=1
    )
    return RowKernel(
        symbol=symbol,
        constants=(
            np.concatenate([np.array([*setup, low, high, 0], np.int32), records.reshape(-1)]),
        ),
        scratch_bytes=columns * 4 + _SLACK,
        code=code,
        c_requires=("cortex_m_mve.h",),
        decisions=dict(decisions),
    )
