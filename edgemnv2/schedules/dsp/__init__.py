"""Row kernels for Cortex-M: the DSP extension (M4, M7, M33), portable C elsewhere.

The tensors between an expansion and its depthwise convolution lie channel by channel, with the
padding columns filled in: four neighbouring pixels of a channel are one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.dsp.add import add_kernel
from edgemnv2.schedules.dsp.convolution import (
    convolution_kernel,
    convolution_space,
    default_convolution,
)
from edgemnv2.schedules.dsp.depthwise import (
    channel_rows,
    depthwise_channels,
    depthwise_kernel,
    depthwise_project_kernel,
)
from edgemnv2.schedules.dsp.matmul import matmul_of

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]


def layouts(graph: Graph, target: Any) -> dict[str, RowLayout]:
    """The inputs of depthwise layers that one of our convolutions makes for them alone."""
    return channel_rows(
        graph,
        lambda layer: matmul_of(graph, layer) is not None,
        lambda layer: depthwise_channels(graph, layer) is not None,
    )


def space(graph: Graph, layer: Layer, target: Any) -> dict[str, tuple[Any, ...]]:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    return convolution_space(graph, layer) if isinstance(layer, Conv2D) else {}


def default(graph: Graph, layer: Layer, target: Any) -> dict[str, Any]:
    """The decisions that `row_kernel` gets without tuning."""
    return default_convolution(graph, layer) if isinstance(layer, Conv2D) else {}


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Any,
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over.

    `rows_per_step` rows that lie without a gap in memory, for pointwise layers to NHWC rows only.
    """
    if isinstance(layer, Conv2D):
        return convolution_kernel(graph, layer, layouts, decisions, rows_per_step)
    if rows_per_step != 1:
        return None
    if isinstance(layer, DepthwiseConv2D):
        return depthwise_kernel(graph, layer, layouts, decisions)
    if isinstance(layer, Add):
        return add_kernel(graph, layer, decisions)
    return None


def fused_kernel(
    graph: Graph,
    depthwise: DepthwiseConv2D,
    project: Conv2D,
    layouts: Mapping[str, RowLayout],
    target: Any,
    decisions: Mapping[str, Any],
) -> RowKernel | None:
    """Depthwise and projection as one kernel, or None; `decisions` are the projection's."""
    return depthwise_project_kernel(graph, depthwise, project, layouts, decisions)
