"""Row kernels for Cortex-M: the DSP extension (M4, M7, M33), portable C elsewhere.

The tensors between an expansion and its depthwise convolution lie channel by channel, with the
padding columns filled in: four neighbouring pixels of a channel are one word.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from edgemnv2.schedules.dsp.forms import convolution_forms, depthwise_forms
from edgemnv2.schedules.dsp.matmul import matmul_of
from edgemnv2.schedules.family import Decisions, Form, LayerKind, Space, of_kind, one_form
from edgemnv2.target import Target

__all__ = ["default", "forms", "fused_kernel", "layouts", "row_kernel", "space"]


def layouts(graph: Graph, target: Target) -> dict[str, RowLayout]:
    """The inputs of depthwise layers that one of our convolutions makes for them alone."""
    return channel_rows(
        graph,
        lambda layer: matmul_of(graph, layer) is not None,
        lambda layer: depthwise_channels(graph, layer) is not None,
    )


def _convolution(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    decisions: Decisions,
    rows_per_step: int,
) -> RowKernel | None:
    assert isinstance(layer, Conv2D)
    return convolution_kernel(graph, layer, layouts, decisions, rows_per_step)


def _add(
    graph: Graph, layer: Layer, layouts: Mapping[str, RowLayout], decisions: Decisions
) -> RowKernel | None:
    assert isinstance(layer, Add)
    return add_kernel(graph, layer, decisions)


CONVOLUTION = LayerKind(
    _convolution, convolution_space, default_convolution, convolution_forms, whole_maps=True
)
KINDS = {
    "pointwise": CONVOLUTION,
    "conv2d": CONVOLUTION,
    "depthwise": LayerKind(depthwise_kernel, forms=depthwise_forms),
    "add": LayerKind(_add),
}


def space(graph: Graph, layer: Layer, target: Target) -> Space:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    kind = of_kind(KINDS, layer)
    return {} if kind is None else kind.space(graph, layer)


def default(graph: Graph, layer: Layer, target: Target) -> Decisions:
    """The decisions that `row_kernel` gets without tuning."""
    kind = of_kind(KINDS, layer)
    return {} if kind is None else kind.default(graph, layer)


def forms(graph: Graph, layer: Layer, kernel: RowKernel) -> tuple[Form, ...]:
    """In which forms the constants of `kernel`, which makes `layer`, can lie; its own first."""
    kind = of_kind(KINDS, layer)
    return one_form() if kind is None else kind.forms(graph, layer, kernel)


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Target,
    decisions: Decisions,
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over.

    `rows_per_step` rows that lie without a gap in memory, for pointwise layers to NHWC rows only.
    """
    kind = of_kind(KINDS, layer)
    if kind is None:
        return None
    return kind.make(graph, layer, layouts, decisions, rows_per_step=rows_per_step)


def fused_kernel(
    graph: Graph,
    depthwise: Layer,
    project: Layer,
    layouts: Mapping[str, RowLayout],
    target: Target,
    decisions: Decisions,
) -> RowKernel | None:
    """Depthwise and projection as one kernel, or None; `decisions` are the projection's."""
    assert isinstance(depthwise, DepthwiseConv2D) and isinstance(project, Conv2D)
    return depthwise_project_kernel(graph, depthwise, project, layouts, decisions)
