"""1x1 convolution on NEON: one or more whole rows of pixels in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D, Convolution
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.gemm import Ends, pointwise_kernel_of
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.schedules.neon.float_gemm import FloatGemm
from edgemnv2.schedules.neon.gemm import Gemm, steps_of
from edgemnv2.schedules.neon.held_gemm import HELD, QUAD, HeldGemm, held_steps, holds
from edgemnv2.schedules.neon.int8_gemm import LARGEST_SPLIT, SdotGemm, WideningGemm, pairs_fit
from edgemnv2.schedules.neon.isa import LANES, Isa
from edgemnv2.schedules.neon.requantize import Int8Epilogue
from edgemnv2.tir.tiling import panels_of

__all__ = ["POINTWISE", "default_pointwise", "gemm_of", "pointwise_space", "supported"]

Array = NDArray[Any]
SHORT_DEPTH = 64
"""Floats: up to here what ends a tile counts for more than the loads of its sums."""
SHORT_INT8_DEPTH = 24
"""The same for int8 without dot products, on cores in order."""


def is_half(graph: Graph, layer: Conv2D) -> bool:
    """Whether the layer computes in float16; a stem may take a float32 image all the same."""
    return "float16" in (graph.tensor_in(layer).dtype, graph.tensor_out(layer).dtype)


def _depth(layer: Conv2D) -> int:
    """Products of one sum."""
    return int(np.prod(layer.weight.shape[:3]))


def pointwise_space(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: tile `mr` pixels by `nr` channels, and which loop is outermost."""
    out = graph.tensor_out(layer)
    single = out.width * out.height == 1
    order = ("panel", "pixel") if single else ("panel", "pixel", "block")
    if layer.requantize is None:
        if not isa.arm64:
            return {"mr": (1, 2, 3, 4, 6), "nr": (4, 8), "order": order, "unroll": (4,)}
        mr = (1,) if single else (4, 5, 6, 7, 8)
        if is_half(graph, layer):
            return {"mr": mr, "nr": (8, 16, 24, 32), "order": order, "unroll": (8,)}
        if not single:
            order = (*order, "parts")
        return {"mr": mr, "nr": (8, 12, 16), "order": order, "unroll": (4, 8)}
    if isa.dotprod:
        return {"mr": (1,) if single else (4, 5, 6, 7, 8), "nr": (8, 12, 16), "order": order}
    pixels = (1, 2, 3, 4, 5) if isa.arm64 and not single else (1, 2, 3, 4)
    if holds(isa.registers, _depth(layer), 1):
        order = (*order, HELD)
    return {"mr": pixels, "nr": (4, 8), "order": order, "unroll": (1, 2)}


def default_pointwise(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, Any]:
    """Tiles that were best by instruction count on the paper's shapes, orders by waiting too.

    Long sums of floats by parts are for an L1 of 32 KiB; cores with fp16 have one of 64 KiB.
    """
    out = graph.tensor_out(layer)
    channels, pixels = out.channels, out.width * out.height
    order = "panel"
    if pixels > 1 and layer.requantize is not None:
        order = "block"
    elif pixels > 1 and isa.arm64 and not isa.fp16:
        order = "parts"
    if layer.requantize is None:
        if not isa.arm64:
            return {"mr": 3, "nr": 8 if channels >= 8 else 4, "order": order, "unroll": 4}
        if pixels == 1:
            half = is_half(graph, layer)
            nr, unroll = (32, 8) if half else (16, 4)
            return {"mr": 1, "nr": nr, "order": order, "unroll": unroll}
        if is_half(graph, layer):
            mr, nr = (7, 24) if channels % 24 == 0 or channels >= 48 else (8, 16)
            return {"mr": mr, "nr": nr if channels >= 16 else 8, "order": order, "unroll": 8}
        depth = layer.weight.shape[2]
        if channels == 16:
            mr, nr = 7, 8
        elif isa.reorders and channels % 16 == 0:
            # What a core out of order sees ahead is full of a large tile's clamps and stores.
            if isa.halves:
                # Whole tiles only: LLVM spills the sums of a shorter last one.
                mr, nr = (4, 16) if pixels % 4 == 0 else (7, 8)
            else:
                mr, nr = 4 if depth < SHORT_DEPTH else 5, 16
        elif depth <= 16 and channels % 16 == 0:
            mr, nr = 5, 16
        else:
            mr, nr = 7, 12
        return {"mr": mr, "nr": nr, "order": order, "unroll": 8}
    if isa.dotprod:
        if pixels == 1:
            return {"mr": 1, "nr": 16, "order": order}
        return {"mr": 7, "nr": 8, "order": order}
    return _default_int8(isa, _depth(layer), channels, pixels)


def _held_depths(isa: Isa) -> range:
    """Of pixels that are best held in registers, see `HeldGemm`: by modelled cycles, and by
    instructions for Armv7, whose registers hold one pixel of these and larger tiles of less."""
    if not isa.arm64:
        return range(17, 25)
    return range(QUAD, 33 if isa.reorders else 29)


def _default_int8(isa: Isa, depth: int, channels: int, pixels: int) -> dict[str, Any]:
    """Without dot products."""
    order = "block" if pixels > 1 else "panel"
    if depth in _held_depths(isa) and depth <= channels:
        # A core out of order finds enough to begin in two pixels.
        most = 2 if isa.reorders else 3
        mr = next(m for m in range(most, 0, -1) if holds(isa.registers, depth, m))
        return {"mr": min(mr, pixels), "nr": 4, "order": HELD, "unroll": 1}
    if not isa.arm64:
        return {"mr": min(4, pixels), "nr": 4, "order": order, "unroll": 2}
    # In order, loads cost a cycle each, and a tile of 5 x 4 has fewest; its ends cost more.
    large = not isa.reorders and pixels > 1 and depth > SHORT_INT8_DEPTH
    mr, nr = (5, 4) if large else (2, 8)
    return {"mr": mr, "nr": nr, "order": order, "unroll": 2}


def supported(layer: Convolution, source: str, out: str, isa: Isa) -> bool:
    """Whether there is a loop for these types of the input and output tensors."""
    weight = str(layer.weight.dtype)
    if layer.requantize is not None:
        small = int(np.abs(layer.weight.astype(np.int32)).max()) <= LARGEST_SPLIT
        return (source, out) == ("int8", "int8") and weight in ("int8", "int16") and small
    if source == "float16":
        return isa.fp16 and out in ("float16", "float32") and weight in ("float16", "float32")
    return (source, out, weight) == ("float32", "float32", "float32")


def pointwise_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any], rows_per_step: int
) -> RowKernel | None:
    """The kernel for `rows_per_step` whole rows, or None where the shape is too small."""
    ends = Ends.of(graph, layer)
    if not supported(layer, ends.source, ends.out, isa):
        return None
    gemm = gemm_of(isa, layer, layer.weight[0, 0], decisions, ends)
    if gemm is None:
        return None
    return pointwise_kernel_of(gemm, graph.tensor_out(layer).width, rows_per_step, decisions)


def gemm_of(
    isa: Isa, layer: Conv2D, weight: Array, decisions: Mapping[str, Any], ends: Ends
) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are too few channels for its vectors.

    Bias, clamp and factors are the layer's own; the input's zero point is folded in here.
    """
    depth, channels = weight.shape
    requantize = layer.requantize
    granule = LANES[ends.source] if requantize is None else 4
    nr = int(decisions["nr"])
    panels = panels_of(channels, nr, granule) if nr % granule == 0 else None
    unroll = int(decisions.get("unroll", 1))
    if panels is None:
        return None
    if requantize is None:
        steps = steps_of(depth, unroll, 4)
        if steps is None:
            return None
        return FloatGemm(
            isa, weight, layer.bias, panels, steps, 1, layer.clamp, ends.source, ends.out
        )
    bias = folded_bias(layer.bias, weight, ends.zero_in)
    span = span_of(weight, bias)
    # `sdot` adds to a bias at no cost.
    folds = None if isa.dotprod else bias
    epilogue = Int8Epilogue.of(isa, requantize, ends.zero_out, layer.clamp, span, folds)
    if epilogue is None:
        return None
    if isa.dotprod:
        steps = steps_of(depth, 16, 4)
        if steps is None:
            return None
        return SdotGemm(isa, weight, bias, panels, steps, 2, requantize, epilogue)
    fits = pairs_fit(weight)
    if decisions["order"] == HELD and fits:
        if depth < QUAD or not holds(isa.registers, depth, int(decisions["mr"])):
            return None
        steps = held_steps(depth)
        return HeldGemm(isa, weight, bias, panels, steps, unroll, requantize, epilogue)
    steps = steps_of(depth, 16 if fits else 8, 8)
    if steps is None:
        return None
    return WideningGemm(isa, weight, bias, panels, steps, unroll, requantize, epilogue)


POINTWISE = LayerKind(pointwise_kernel, pointwise_space, default_pointwise, whole_maps=True)
