"""1x1 convolution on AVX2: one or more whole rows of pixels in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Conv2D, DepthwiseConv2D, Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx2.float_gemm import FloatGemm
from edgemnv2.schedules.avx2.gemm import LANES, Gemm, Pointers
from edgemnv2.schedules.avx2.int8_gemm import Int8Gemm
from edgemnv2.schedules.avx2.requantize import Epilogue, largest_sum
from edgemnv2.tir.builder import Builder, symbol_name
from edgemnv2.tir.tiling import panels_of

__all__ = [
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
    graph: Graph,
    layer: Conv2D,
    decisions: Mapping[str, Any],
    rows_per_step: int,
) -> RowKernel | None:
    """The kernel for `rows_per_step` whole rows, or None where the shape is too small."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if not supported(layer, source.dtype, out.dtype):
        return None
    gemm = gemm_of(
        layer.weight[0, 0],
        layer.bias,
        layer.clamp,
        decisions,
        layer.requantize,
        source.quant.zero_point if source.quant else 0,
        out.quant.zero_point if out.quant else 0,
    )
    if gemm is None:
        return None
    pixels, mr, order = out.width * rows_per_step, int(decisions["mr"]), str(decisions["order"])
    description = {"pixels": pixels, "mr": mr, "order": order, **gemm.key()}
    k = Builder(symbol_name(f"pointwise_{gemm.dtype}", description))
    scratch_bytes = gemm.scratch_bytes(pixels, mr, order)
    x, out_row = k.pointer("x", gemm.dtype), k.pointer("out", gemm.dtype)
    scratch = k.pointer("scratch", gemm.scratch_dtype) if scratch_bytes else None
    weights, second = (
        k.pointer("weights", gemm.weights_dtype),
        k.pointer("parameters", gemm.second_dtype),
    )
    gemm.emit(k, Pointers(x, out_row, weights, second, scratch), pixels, mr, order)
    return RowKernel(
        symbol=k.symbol,
        constants=tuple(gemm.constants()),
        scratch_bytes=scratch_bytes,
        rows_per_step=rows_per_step,
        prim_func=k.function(),
        decisions=dict(decisions),
    )


def gemm_of(
    weight: Array,
    bias: Array,
    clamp: tuple[float, float],
    decisions: Mapping[str, Any],
    requantize: Requantize | None,
    zero_in: int,
    zero_out: int,
) -> Gemm | None:
    """The loop for `weight` `[K, N]`, or None where there are fewer than eight channels.

    `bias` is the layer's own; the input's zero point `zero_in` is folded in here.
    """
    nr = int(decisions["nr"])
    lanes = int(decisions.get("lanes", LANES))
    panels = panels_of(weight.shape[1], nr, lanes)
    unroll = int(decisions["unroll"])
    if panels is None:
        return None
    if requantize is None:
        return FloatGemm(weight, bias, panels, unroll, clamp, lanes)
    if not Epilogue.supports(requantize):
        return None
    bias = bias.astype(np.int64) - zero_in * weight.astype(np.int64).sum(axis=0)
    bound = largest_sum(weight, bias)
    epilogue = Epilogue.of(requantize, zero_out, clamp, bound)
    stored = "int16" if weight.dtype == np.int16 else str(decisions.get("weights", "int8"))
    return Int8Gemm(weight, bias, panels, unroll, requantize, epilogue, stored)
