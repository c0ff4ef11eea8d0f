"""Row kernels for x86-64 processors with AVX-512, VNNI and VBMI; what has none here is AVX2's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules import avx2
from edgemnv2.schedules.avx512.add import add_kernel
from edgemnv2.schedules.avx512.depthwise import DEPTHWISE
from edgemnv2.schedules.avx512.float_pointwise import FLOAT_POINTWISE
from edgemnv2.schedules.avx512.pointwise import POINTWISE, epilogue_of
from edgemnv2.schedules.avx512.stem import STEM
from edgemnv2.schedules.simd_family import SimdFamily

__all__ = ["default", "layouts", "row_kernel", "space"]

FAMILY = SimdFamily(
    POINTWISE,
    STEM,
    DEPTHWISE,
    add=lambda graph, layer: add_kernel(graph, layer) or avx2.FAMILY.add(graph, layer),
)
FLOAT = replace(avx2.FAMILY, pointwise=FLOAT_POINTWISE)
layouts = FAMILY.layouts


def _family(graph: Graph, layer: Layer) -> SimdFamily:
    """Ours for the integer layers that have a kernel here, whatever is decided about them."""
    if isinstance(layer, Add):
        return FAMILY
    if graph.tensor_out(layer).dtype == "float32":
        return FLOAT
    channels = graph.tensor_out(layer).channels
    source = graph.tensor_in(layer).dtype
    if isinstance(layer, Conv2D):
        has_kernel = channels >= 8 and (source == "int8" or layer.op != "pointwise")
    elif isinstance(layer, DepthwiseConv2D):
        has_kernel = channels >= 16 and layer.kernel == (3, 3) and source == "int8"
    else:
        return avx2.FAMILY
    return FAMILY if has_kernel and epilogue_of(graph, layer) is not None else avx2.FAMILY


def space(graph: Graph, layer: Layer, target: Any) -> dict[str, tuple[Any, ...]]:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    return _family(graph, layer).space(graph, layer, target)


def default(graph: Graph, layer: Layer, target: Any) -> dict[str, Any]:
    """The decisions that `row_kernel` gets without tuning."""
    return _family(graph, layer).default(graph, layer, target)


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Any,
    decisions: Mapping[str, Any],
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over."""
    return _family(graph, layer).row_kernel(graph, layer, layouts, target, decisions, rows_per_step)
