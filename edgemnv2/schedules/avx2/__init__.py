"""Row kernels for x86-64 processors with AVX2 and FMA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.graph import Add, Conv2D, DepthwiseConv2D, Graph, Layer
from edgemnv2.kernel import RowKernel, RowLayout
from edgemnv2.schedules.avx2.add import add_kernel
from edgemnv2.schedules.avx2.conv2d import conv2d_kernel, conv2d_space, default_conv2d
from edgemnv2.schedules.avx2.depthwise import (
    default_depthwise,
    depthwise_kernel,
    depthwise_space,
)
from edgemnv2.schedules.avx2.pointwise import (
    default_pointwise,
    pointwise_kernel,
    pointwise_space,
)

__all__ = ["default", "layouts", "row_kernel", "space"]


def layouts(graph: Graph, target: Any) -> dict[str, RowLayout]:
    """No tensor deviates from NHWC: edges and widening are handled inside the kernels."""
    return {}


def space(graph: Graph, layer: Layer, target: Any) -> dict[str, tuple[Any, ...]]:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    if isinstance(layer, Conv2D):
        if layer.op == "pointwise":
            return pointwise_space(graph, layer)
        return conv2d_space(graph, layer)
    if isinstance(layer, DepthwiseConv2D):
        return depthwise_space(graph, layer)
    return {}


def default(graph: Graph, layer: Layer, target: Any) -> dict[str, Any]:
    """The decisions that `row_kernel` gets without tuning."""
    if isinstance(layer, Conv2D):
        if layer.op == "pointwise":
            return default_pointwise(graph, layer)
        return default_conv2d(graph, layer)
    if isinstance(layer, DepthwiseConv2D):
        return default_depthwise(graph, layer)
    return {}


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Any,
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
    channels: tuple[int, int] | None = None,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over.

    For pointwise layers only: `rows_per_step` rows that lie without a gap in memory, and
    `channels`, the first and one past the last output channel to make (so that threads can share
    a layer).
    """
    if any(name in layouts for name in (*layer.inputs, layer.output)):
        return None
    if isinstance(layer, Conv2D) and layer.op == "pointwise":
        return pointwise_kernel(graph, layer, decisions, rows_per_step, channels)
    if rows_per_step != 1 or channels is not None:
        return None
    if isinstance(layer, Conv2D):
        return conv2d_kernel(graph, layer, decisions)
    if isinstance(layer, DepthwiseConv2D):
        return depthwise_kernel(graph, layer, decisions)
    if isinstance(layer, Add):
        return add_kernel(graph, layer)
    return None
