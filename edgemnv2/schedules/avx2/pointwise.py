"""1x1 convolution on AVX2: one or more whole rows of pixels in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.float_gemm import FloatGemm
from edgemnv2.schedules.avx2.gemm import LANES, Gemm
from edgemnv2.schedules.avx2.int8_gemm import Int8Gemm
from edgemnv2.schedules.avx2.requantize import Epilogue
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends, pointwise_kernel_of
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias, largest_sum
from edgemnv2.tir.tiling import panels_of

__all__ = [
    "POINTWISE",
    "default_pointwise",
    "gemm_of",
    "pointwise_kernel",
    "pointwise_space",
    "supported",
]

Array = NDArray[Any]

MOST_WIDE_BYTES = 1 << 17
"""Weights of a layer up to which they are stored as int16: all of the paper's before 7 x 7."""


def pointwise_space(graph: Graph, layer: Conv2D) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: tile `mr` pixels by `nr` channels, outermost loop, copies of the step."""
    out = graph.tensor_out(layer)
    single = out.width * out.height == 1
    ranges: dict[str, tuple[Any, ...]] = {
        "mr": (1,) if single else (3, 4, 5, 6),
        "nr": (16, 32, 64) if single else (8, 16, 24),
        "order": ("panel", "pixel"),
        "unroll": (1, 2, 4),
    }
    return ranges if layer.requantize is None else {**ranges, "weights": ("int8", "int16")}


def default_pointwise(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """Tiles that were fastest on the paper's shapes."""
    out = graph.tensor_out(layer)
    integer = layer.requantize is not None
    if out.width * out.height == 1:
        # Bound by memory: more rows of weights on their way at once.
        decisions = {"mr": 1, "nr": 32 if integer else 64, "order": "panel", "unroll": 4}
        return decisions | ({"weights": "int8"} if integer else {})
    if out.channels % 16 and out.channels % 24 == 0:
        mr, nr = 4, 24
    else:
        nr = 16 if out.channels >= 16 else 8
        mr = 5 if integer or out.width < 12 else 6
    if integer:
        # int16 weights save a shuffle for each load and take twice the memory.
        weights = "int16" if 2 * layer.weight.size <= MOST_WIDE_BYTES else "int8"
        return {"mr": mr, "nr": nr, "order": "pixel", "unroll": 2, "weights": weights}
    order = "pixel" if out.width >= 28 else "panel"
    return {"mr": mr, "nr": nr, "order": order, "unroll": 4}


def supported(layer: Conv2D | DepthwiseConv2D, source: str, out: str) -> bool:
    """Whether there is a kernel for these types; int16 weights are those of uint8 models."""
    weight = str(layer.weight.dtype)
    if layer.requantize is None:
        return (source, out, weight) == ("float32", "float32", "float32")
    return (source, out) == ("int8", "int8") and weight in ("int8", "int16")


def pointwise_kernel(
    graph: Graph, layer: Conv2D, decisions: Mapping[str, Any], rows_per_step: int
) -> RowKernel | None:
    """The kernel for `rows_per_step` whole rows, or None where the shape is too small."""
    ends = Ends.of(graph, layer)
    if not supported(layer, ends.source, ends.out):
        return None
    gemm = gemm_of(layer, layer.weight[0, 0], decisions, ends)
    if gemm is None:
        return None
    return pointwise_kernel_of(gemm, graph.tensor_out(layer).width, rows_per_step, decisions)


def gemm_of(layer: Conv2D, weight: Array, decisions: Mapping[str, Any], ends: Ends) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are fewer than eight channels.

    Bias, clamp and factors are the layer's own; the input's zero point is folded in here.
    """
    nr = int(decisions["nr"])
    lanes = int(decisions.get("lanes", LANES))
    panels = panels_of(weight.shape[1], nr, lanes)
    unroll = int(decisions["unroll"])
    if panels is None:
        return None
    if layer.requantize is None:
        return FloatGemm(weight, layer.bias, panels, unroll, layer.clamp, lanes)
    bias = folded_bias(layer.bias, weight, ends.zero_in)
    bound = largest_sum(weight, bias)
    span = span_of(weight, bias, ends.source)
    epilogue = Epilogue.of(layer.requantize, ends.zero_out, layer.clamp, bound, span)
    if epilogue is None:
        return None
    stored = "int16" if weight.dtype == np.int16 else str(decisions.get("weights", "int8"))
    return Int8Gemm(weight, bias, panels, unroll, layer.requantize, epilogue, stored)


POINTWISE = LayerKind(pointwise_kernel, pointwise_space, default_pointwise, whole_maps=True)
