"""Row kernels for x86-64 processors with AVX-512, VNNI and VBMI; what has none here is AVX2's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import edgemnv2.schedules.avx2 as avx2
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.kernel import RowKernel, RowLayout
from edgemnv2.schedules.avx512.add import add_kernel
from edgemnv2.schedules.avx512.depthwise import DEPTHWISE
from edgemnv2.schedules.avx512.float_pointwise import FLOAT_POINTWISE
from edgemnv2.schedules.avx512.pointwise import POINTWISE, epilogue_of
from edgemnv2.schedules.avx512.stem import STEM
from edgemnv2.schedules.family import Decisions, LayerKind, Space
from edgemnv2.schedules.simd_family import SimdFamily
from edgemnv2.target import Target

__all__ = ["default", "fused_kernel", "layouts", "row_kernel", "space"]


def _add(graph: Graph, layer: Layer, decisions: Decisions) -> RowKernel | None:
    assert isinstance(layer, Add)
    return add_kernel(graph, layer) or avx2.KINDS["add"].kernel(graph, layer, decisions)


KINDS = {
    "pointwise": POINTWISE,
    "conv2d": STEM,
    "depthwise": DEPTHWISE,
    "add": LayerKind(_add),
}
FAMILY = SimdFamily(KINDS)
FLOAT = SimdFamily({**avx2.KINDS, "pointwise": FLOAT_POINTWISE})
HAS_KERNEL: dict[str, Callable[[Any, str, int], bool]] = {
    "pointwise": lambda layer, source, channels: channels >= 8 and source == "int8",
    "conv2d": lambda layer, source, channels: channels >= 8,
    "depthwise": lambda layer, source, channels: (
        channels >= 16 and layer.kernel == (3, 3) and source == "int8"
    ),
}
layouts = FAMILY.layouts
fused_kernel = FAMILY.fused_kernel


def _family(graph: Graph, layer: Layer) -> SimdFamily:
    """Ours for the integer layers that have a kernel here, whatever is decided about them."""
    if layer.op == "add":
        return FAMILY
    out = graph.tensor_out(layer)
    if out.dtype == "float32":
        return FLOAT
    has_kernel = HAS_KERNEL.get(layer.op)
    if has_kernel is None or not has_kernel(layer, graph.tensor_in(layer).dtype, out.channels):
        return avx2.FAMILY
    assert isinstance(layer, Convolution)
    return FAMILY if epilogue_of(graph, layer) is not None else avx2.FAMILY


def space(graph: Graph, layer: Layer, target: Target) -> Space:
    """Decision ranges of `layer`; empty where there is nothing to decide."""
    return _family(graph, layer).space(graph, layer, target)


def default(graph: Graph, layer: Layer, target: Target) -> Decisions:
    """The decisions that `row_kernel` gets without tuning."""
    return _family(graph, layer).default(graph, layer, target)


def row_kernel(
    graph: Graph,
    layer: Layer,
    layouts: Mapping[str, RowLayout],
    target: Target,
    decisions: Decisions,
    rows_per_step: int = 1,
) -> RowKernel | None:
    """The kernel of `layer`, or None where plain TIR has to take over."""
    return _family(graph, layer).row_kernel(graph, layer, layouts, target, decisions, rows_per_step)
