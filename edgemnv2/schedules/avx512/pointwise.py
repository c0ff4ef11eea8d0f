"""int8 1x1 convolution on AVX-512 VNNI: one or more whole rows of pixels in one call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D, Convolution
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.schedules.avx512.gemm import ByteGemm, lanes_of
from edgemnv2.schedules.avx512.requantize import Epilogue
from edgemnv2.schedules.avx512.simd import flipped, load_bytes
from edgemnv2.schedules.family import LayerKind
from edgemnv2.schedules.halves import span_of
from edgemnv2.schedules.integer import folded_bias, largest_sum
from edgemnv2.tir.builder import Builder, load, reinterpret, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.tiling import Panel, copy_pieces, panels_of, walk

__all__ = [
    "POINTWISE",
    "epilogue_of",
    "flip_bytes",
    "gemm_of",
    "pixel_reader",
    "pointwise_space",
]

Expr = Any
Array = NDArray[Any]


def pointwise_space(graph: Graph, layer: Conv2D) -> dict[str, tuple[Any, ...]]:
    """Decision ranges: tile `mr` pixels by `nr` channels, outermost loop, copies of the step."""
    out = graph.tensor_out(layer)
    widths = tuple(nr for nr in (8, 16, 24, 32, 48, 64) if nr <= out.channels)
    if out.width * out.height == 1:
        return {"mr": (1,), "nr": widths, "order": ("panel",), "unroll": (1, 2, 4)}
    return {
        "mr": (4, 6, 7, 9, 10, 12, 14),
        "nr": widths,
        "order": ("panel", "pixel"),
        "unroll": (1, 2, 4),
    }


def default_pointwise(graph: Graph, layer: Conv2D) -> dict[str, Any]:
    """Tiles that were fastest on the paper's shapes."""
    out = graph.tensor_out(layer)
    if out.width * out.height == 1:
        nr = 64 if out.channels >= 64 else 16 if out.channels >= 16 else 8
        return {"mr": 1, "nr": nr, "order": "panel", "unroll": 2}
    order = "panel" if out.width >= 56 else "pixel"
    if out.channels < 16:
        return {"mr": 14, "nr": 8, "order": order, "unroll": 1}
    if out.channels == 24:
        return {"mr": 9, "nr": 24, "order": order, "unroll": 1}
    return {"mr": 14, "nr": 16, "order": order, "unroll": 1}


def epilogue_of(graph: Graph, layer: Convolution) -> tuple[Epilogue, Array] | None:
    """The epilogue of an int8 layer and its bias for inputs plus 128; None where AVX-512 has none.

    The input may be a uint8 image: that is its own number plus 128 already.
    """
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or layer.weight.dtype != np.int8 or out.dtype != "int8":
        return None
    if source.dtype not in ("int8", "uint8"):
        return None
    assert source.quant is not None and out.quant is not None
    zero = source.quant.zero_point + (128 if source.dtype == "int8" else 0)
    bias = folded_bias(layer.bias, layer.weight, zero)
    bound = largest_sum(layer.weight, bias)
    span = span_of(layer.weight, bias, "uint8")
    epilogue = Epilogue.of(layer.requantize, out.quant.zero_point, layer.clamp, bound, span)
    return None if epilogue is None else (epilogue, bias)


def gemm_of(
    graph: Graph,
    layer: Conv2D,
    weight: Array,
    decisions: Mapping[str, Any],
) -> ByteGemm | None:
    """The matrix product with `weight` `[inputs, N]`, inputs a multiple of four, or None."""
    chosen = epilogue_of(graph, layer)
    nr = int(decisions["nr"])
    panels = panels_of(weight.shape[1], nr, lanes_of(nr))
    if chosen is None or panels is None or lanes_of(panels.nr) != lanes_of(nr):
        return None
    epilogue, bias = chosen
    assert layer.requantize is not None
    groups = weight.reshape(-1, 4, weight.shape[1])
    return ByteGemm(groups, bias, panels, layer.requantize, epilogue, int(decisions["unroll"]))


def pixel_reader(k: Builder, scratch: Any, at: Expr) -> Callable[[Expr], Expr]:
    """`reader(i)`: the four bytes of group `i` of the pixel at `scratch[at]`, as int32."""
    start = k.let(at)
    return lambda i: reinterpret(load(scratch, start + i * 4, "int8x4"), "int32")


def flip_bytes(
    k: Builder, source: Any, begin: Expr, scratch: Any, to: Expr, count: int, flip: bool = True
) -> None:
    """Copy `count` int8 into scratch, top bits flipped."""

    def copy(offset: Expr, lanes: int) -> None:
        value = load_bytes(source, begin + offset, lanes)
        k.store(scratch, to + offset, flipped(value, lanes) if flip else value)

    vectors, rest = divmod(count, 64)
    if vectors > 4:
        with k.loop(vectors) as i:
            copy(i * 64, 64)
    else:
        for i in range(vectors):
            copy(i * 64, 64)
    if vectors and rest:
        copy(count - 64, 64)
    else:
        for n, lanes in copy_pieces(0, rest):
            copy(n, lanes)


def pointwise_kernel(
    graph: Graph,
    layer: Conv2D,
    decisions: Mapping[str, Any],
    rows_per_step: int,
) -> RowKernel | None:
    """The kernel for `rows_per_step` whole rows, or None where the shape is too small."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    depth = source.channels
    padded = -(-depth // 4) * 4
    # Inputs up to a multiple of four meet zero weights.
    weight = np.zeros((padded, out.channels), np.int8)
    weight[:depth] = layer.weight[0, 0]
    gemm = gemm_of(graph, layer, weight, decisions)
    if gemm is None or source.dtype != "int8":
        return None
    pixels, mr, order = out.width * rows_per_step, int(decisions["mr"]), str(decisions["order"])
    description = {"pixels": pixels, "mr": mr, "order": order, "depth": depth, **gemm.key}
    k = Builder(symbol_name("pointwise_int8", description))
    x, out_row, scratch = (k.pointer(name, "int8") for name in ("x", "out", "scratch"))
    weights, parameters = k.pointer("weights", "int8"), k.pointer("parameters", "int32")

    def flip(first: Expr, count: int) -> None:
        if padded == depth:
            flip_bytes(k, x, k.let(first * depth), scratch, 0, count * depth)
            return
        for n in range(count):
            flip_bytes(k, x, k.let((first + n) * depth), scratch, n * padded, depth)

    def tile(first: Expr, count: int, panel: Panel) -> None:
        at = first if order == "panel" else 0
        readers = [pixel_reader(k, scratch, (at + r) * padded) for r in range(count)]
        gemm.tile(k, out_row, weights, parameters, readers, first, panel)

    if order == "panel":
        flip(0, pixels)
    walk(k, pixels, mr, gemm.panels, order, tile, before=flip)
    return RowKernel(
        symbol=k.symbol,
        constants=gemm.constants(),
        scratch_bytes=padded * (pixels if order == "panel" else min(mr, pixels)),
        rows_per_step=rows_per_step,
        code=Code.of(k),
        decisions=dict(decisions),
    )


POINTWISE = LayerKind(pointwise_kernel, pointwise_space, default_pointwise, whole_maps=True)
