"""Row kernels for x86-64 processors with AVX-512, VNNI and VBMI: int8; the rest is AVX2's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemnv2.graph import Add, Conv2D, DepthwiseConv2D, Graph, Layer
from edgemnv2.kernel import RowKernel, RowLayout
from edgemnv2.schedules import avx2
from edgemnv2.schedules.avx512.add import add_kernel
from edgemnv2.schedules.avx512.depthwise import (
    default_depthwise,
    depthwise_kernel,
    depthwise_space,
)
from edgemnv2.schedules.avx512.pointwise import (
    default_pointwise,
    epilogue_of,
    pointwise_kernel,
    pointwise_space,
)
from edgemnv2.schedules.avx512.stem import default_stem, stem_kernel, stem_space

__all__ = ["default", "layouts", "row_kernel", "space"]


def layouts(graph: Graph, target: Any) -> dict[str, RowLayout]:
    """No tensor deviates from NHWC: edges are handled inside the kernels."""
    return {}


def is_ours(graph: Graph, layer: Layer) -> bool:
    """Whether `layer` is a convolution that has a kernel here."""
    channels = graph.tensor_out(layer).channels
    if isinstance(layer, Conv2D):
        if layer.op == "pointwise" and graph.tensor_in(layer).dtype != "int8":
            return False
        return channels >= 8 and epilogue_of(graph, layer) is not None
    if isinstance(layer, DepthwiseConv2D):
        signed = graph.tensor_in(layer).dtype == "int8"
        right_size = layer.kernel == (3, 3) and channels >= 16
        return signed and right_size and epilogue_of(graph, layer) is not None
    return False


def space(graph: Graph, layer: Layer, target: Any) -> dict[str, tuple[Any, ...]]:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    if not is_ours(graph, layer):
        return avx2.space(graph, layer, target)
    if isinstance(layer, DepthwiseConv2D):
        return depthwise_space(graph, layer)
    assert isinstance(layer, Conv2D)
    return (pointwise_space if layer.op == "pointwise" else stem_space)(graph, layer)


def default(graph: Graph, layer: Layer, target: Any) -> dict[str, Any]:
    """The decisions that `row_kernel` gets without tuning."""
    if not is_ours(graph, layer):
        return avx2.default(graph, layer, target)
    if isinstance(layer, DepthwiseConv2D):
        return default_depthwise(graph, layer)
    assert isinstance(layer, Conv2D)
    return (default_pointwise if layer.op == "pointwise" else default_stem)(graph, layer)


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Any,
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
    channels: tuple[int, int] | None = None,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over; as `avx2.row_kernel`."""
    if isinstance(layer, Add):
        kernel = add_kernel(graph, layer)
        if kernel is not None:
            return kernel
    if not is_ours(graph, layer):
        return avx2.row_kernel(graph, layer, layouts, target, decisions, rows_per_step, channels)
    if isinstance(layer, Conv2D) and layer.op == "pointwise":
        return pointwise_kernel(graph, layer, decisions, rows_per_step, channels)
    if rows_per_step != 1 or channels is not None:
        return None
    if isinstance(layer, DepthwiseConv2D):
        return depthwise_kernel(graph, layer, decisions)
    assert isinstance(layer, Conv2D)
    return stem_kernel(graph, layer, decisions)
