"""1x1 convolution and the stem in WebAssembly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.conv2d import gathered_kernel
from edgemnv2.schedules.avx2.gemm import Gemm
from edgemnv2.schedules.avx2.pointwise import supported
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends, pointwise_kernel_of
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.wasm.gemm import WebFloatGemm, WebInt8Gemm
from edgemnv2.schedules.wasm.isa import Isa
from edgemnv2.schedules.wasm.requantize import BLOCK, WebEpilogue
from edgemnv2.tir.tiling import panels_of

__all__ = ["CONV2D", "POINTWISE"]

Array = NDArray[Any]
GRANULE = 2 * BLOCK
"""Channels that one store of int8 has at least."""


def _space(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: tile `mr` pixels by `nr` channels, copies of the step.

    And the outermost loop (float32), or the pixels whose sums are requantised together (int8).
    """
    out = graph.tensor_out(layer)
    single = out.width * out.height == 1
    ranges: dict[str, tuple[Any, ...]] = {
        "mr": (1,) if single else (2, 3, 4),
        "nr": (8, 16, 32) if single else (8, 16),
        "order": ("panel", "pixel"),
        "unroll": (1, 2),
    }
    if layer.requantize is None:
        return ranges
    return {
        **ranges,
        "order": ("pixel",),
        "block": (1,) if single else (8, 16, 28, 56),
        "wide": (0,) if single else (0, 1),
    }


def _default(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, Any]:
    """Eight accumulators of four and what one step loads: all that V8 has registers for."""
    out = graph.tensor_out(layer)
    single = out.width * out.height == 1
    nr = 16 if single and out.channels >= 16 else 8
    chosen = {"mr": 1 if single else 4, "nr": nr, "order": "pixel", "unroll": 1}
    if layer.requantize is None:
        return chosen
    return {**chosen, "block": 1 if single else 56, "wide": int(not single)}


def _gemm(
    layer: Conv2D, weight: Array, isa: Isa, decisions: Mapping[str, Any], ends: Ends
) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are fewer than eight channels."""
    panels = panels_of(weight.shape[1], int(decisions["nr"]), GRANULE)
    unroll = int(decisions["unroll"])
    if panels is None:
        return None
    if layer.requantize is None:
        return WebFloatGemm(weight, layer.bias, panels, unroll, layer.clamp, BLOCK, isa)
    bias = folded_bias(layer.bias, weight, ends.zero_in)
    epilogue = WebEpilogue.for_web(
        isa,
        layer.requantize,
        ends.zero_out,
        layer.clamp,
        span_of(weight, bias, ends.source),
    )
    if epilogue is None:
        return None
    # int16 weights are those of uint8 models.
    block, wide = int(decisions["block"]), bool(decisions["wide"])
    stored = str(weight.dtype)
    return WebInt8Gemm(weight, bias, panels, unroll, epilogue, block, stored, wide, isa)


def pointwise_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any], rows_per_step: int
) -> RowKernel | None:
    """The kernel for `rows_per_step` whole rows, or None where the shape is too small."""
    ends = Ends.of(graph, layer)
    if not supported(layer, ends.source, ends.out):
        return None
    gemm = _gemm(layer, layer.weight[0, 0], isa, decisions, ends)
    if gemm is None:
        return None
    return pointwise_kernel_of(gemm, graph.tensor_out(layer).width, rows_per_step, decisions)


def conv2d_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for dtypes that are not ours."""
    ends = Ends.of(graph, layer)
    # A uint8 image may come into an int8 network.
    taken = "int8" if layer.requantize is not None and ends.source == "uint8" else ends.source
    if not supported(layer, taken, ends.out):
        return None
    gemm = _gemm(layer, layer.weight.reshape(-1, layer.weight.shape[-1]), isa, decisions, ends)
    return None if gemm is None else gathered_kernel(graph, layer, gemm, ends, decisions)


POINTWISE = LayerKind(pointwise_kernel, _space, _default, whole_maps=True)
CONV2D = LayerKind(conv2d_kernel, _space, _default)
