"""Row kernels for Cortex-M with MVE (Helium): M55, M85.

What these kernels cannot compute (long requantisation, int16 weights) those of the DSP extension
do, on the same row layouts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import edgemnv2.schedules.dsp as dsp
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.depthwise import channel_rows
from edgemnv2.schedules.dsp.depthwise import depthwise_channels as dsp_depthwise_channels
from edgemnv2.schedules.dsp.matmul import matmul_of
from edgemnv2.schedules.family import Decisions, LayerKind, Space, of_kind
from edgemnv2.schedules.mve.convolution import convolution_kernel, has_convolution
from edgemnv2.schedules.mve.depthwise import depthwise_channels, depthwise_kernel
from edgemnv2.schedules.simd_family import plain_fused
from edgemnv2.target import Target

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]


def layouts(graph: Graph, target: Target) -> dict[str, RowLayout]:
    """The inputs of depthwise layers that one of our convolutions makes for them alone."""

    def makes(layer: Conv2D) -> bool:
        return has_convolution(graph, layer) or matmul_of(graph, layer) is not None

    def reads(layer: DepthwiseConv2D) -> bool:
        mve = depthwise_channels(graph, layer)
        return mve is not None or dsp_depthwise_channels(graph, layer) is not None

    return channel_rows(graph, makes, reads)


CONVOLUTION = LayerKind(convolution_kernel, whole_maps=True)
KINDS = {
    "pointwise": CONVOLUTION,
    "conv2d": CONVOLUTION,
    "depthwise": LayerKind(depthwise_kernel),
}
HAS_MVE: dict[str, Callable[[Graph, Any], bool]] = {
    "pointwise": has_convolution,
    "conv2d": has_convolution,
    "depthwise": lambda graph, layer: depthwise_channels(graph, layer) is not None,
}


fused_kernel = plain_fused


def space(graph: Graph, layer: Layer, target: Target) -> Space:
    """Decision ranges of `layer`: which extension computes it, and the DSP kernel's own."""
    extension = {"extension": ("mve", "dsp")} if _has_mve(graph, layer) else {}
    return {**extension, **dsp.space(graph, layer, target)}


def default(graph: Graph, layer: Layer, target: Target) -> Decisions:
    """The decisions that `row_kernel` gets without tuning."""
    extension = {"extension": "mve"} if _has_mve(graph, layer) else {}
    return {**extension, **dsp.default(graph, layer, target)}


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Target,
    decisions: Decisions,
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over."""
    kernel = None
    kind = of_kind(KINDS, layer)
    if kind is not None and decisions.get("extension") == "mve":
        kernel = kind.make(graph, layer, layouts, decisions, rows_per_step=rows_per_step)
    return kernel or dsp.row_kernel(graph, layer, layouts, target, decisions, rows_per_step)


def _has_mve(graph: Graph, layer: Layer) -> bool:
    has = HAS_MVE.get(layer.op)
    return has is not None and has(graph, layer)
