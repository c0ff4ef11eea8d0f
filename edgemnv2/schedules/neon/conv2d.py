"""The stem on NEON: one output row, its receptive fields gathered into scratch, then a GEMM.

Gathering costs a dozen instructions a pixel, against hundreds in the GEMM, and makes one kernel of
all sizes, strides and paddings. Columns outside the image are filled with the zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.graph import Conv2D, Graph
from edgemnv2.kernel import RowKernel
from edgemnv2.schedules.builder import Builder, cast, constant, load, symbol_name
from edgemnv2.schedules.neon.gemm import Pointers, gemm_of
from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.schedules.neon.pointwise import default_pointwise, pointwise_space, supported
from edgemnv2.schedules.tiling import copy_pieces, equal_runs, pixel_tiles

__all__ = ["conv2d_kernel", "conv2d_space", "default_conv2d"]

Expr = Any


def conv2d_space(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, tuple[Any, ...]]:
    """As pointwise; pixels are outermost in the default, since the weights fit L1."""
    return pointwise_space(graph, layer, isa)


def default_conv2d(graph: Graph, layer: Conv2D, isa: Isa) -> dict[str, Any]:
    """As pointwise."""
    return default_pointwise(graph, layer, isa)


def conv2d_kernel(
    graph: Graph, layer: Conv2D, isa: Isa, decisions: Mapping[str, Any]
) -> RowKernel | None:
    """The kernel for one output row, or None for dtypes that are not ours."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    integer = layer.requantize is not None
    unsigned = integer and source.dtype == "uint8"
    # The image may come as uint8 or float32 into an int8 or float16 network.
    accepted = {"int8": ("uint8",), "float16": ("float32",)}.get(out.dtype, ())
    if source.dtype != out.dtype and source.dtype not in accepted:
        return None
    if not supported(layer, out.dtype, out.dtype, isa):
        return None
    rows, columns = layer.kernel
    taps = columns * source.channels
    depth = rows * taps
    # int8 vectors may cover a few elements more: they meet zero weights. A float there could be a
    # NaN of earlier use, so float rows have no such rest.
    granule = 1 if not integer else (4 if isa.dotprod else 16)
    padded = -(-depth // granule) * granule
    weight = np.zeros((padded, out.channels), layer.weight.dtype)
    weight[:depth] = layer.weight.reshape(depth, out.channels)
    zero = source.quant.zero_point if source.quant else 0
    # uint8 values are made int8 by flipping the top bit, that is, by taking 128 off.
    shifted = zero - 128 if unsigned else zero
    gemm = gemm_of(
        isa,
        weight,
        layer.bias,
        layer.clamp,
        decisions,
        layer.requantize,
        shifted,
        out.quant.zero_point if out.quant else 0,
        (out.dtype, out.dtype),
    )
    if gemm is None:
        return None
    mr, order = int(decisions["mr"]), str(decisions["order"])
    stride, left = layer.stride[1], layer.padding[1]
    description = {
        "width": out.width,
        "source": (source.width, source.channels, source.dtype, zero),
        "kernel": layer.kernel,
        "stride": stride,
        "left": left,
        "mr": mr,
        "order": order,
        **gemm.key(),
    }
    k = Builder(symbol_name(f"conv2d_{gemm.dtype}", description))
    inputs = [k.pointer(f"row{r}", "int8" if unsigned else source.dtype) for r in range(rows)]
    output, scratch = k.pointer("out", gemm.dtype), k.pointer("scratch", gemm.dtype)
    pointers = Pointers(
        scratch,
        output,
        k.pointer("weights", gemm.dtype),
        k.pointer("parameters", gemm.second_dtype),
    )

    tiles = pixel_tiles(k, out.width, source.width, stride, left, 1, columns)
    for first, _, inside in tiles:
        for r in range(rows):
            at = k.let((first * stride - left) * source.channels)
            to = k.let(first * padded + r * taps)
            runs = equal_runs([inside(c) for c in range(columns)])
            for begin, end, exists in runs:
                n0, n1 = begin * source.channels, end * source.channels
                for n, lanes in copy_pieces(n0, n1):
                    suffix = f"x{lanes}" if lanes > 1 else ""
                    if exists:
                        stored = "int8" if unsigned else source.dtype
                        value = load(inputs[r], at + n, stored + suffix)
                        if stored != gemm.dtype:
                            value = cast(value, gemm.dtype + suffix)
                        if unsigned:
                            value = value ^ _constant(-128, "int8", lanes)
                    else:
                        value = _constant(shifted, gemm.dtype, lanes)
                    k.store(scratch, to + n, value)
    gemm.emit(k, pointers, out.width, mr, order)
    return RowKernel(
        symbol=k.symbol,
        constants=tuple(gemm.constants()),
        scratch_bytes=out.width * padded * np.dtype(gemm.dtype).itemsize,
        prim_func=k.function(),
        decisions=dict(decisions),
    )


def _constant(value: float, dtype: str, lanes: int) -> Expr:
    return constant(value, dtype, lanes) if lanes > 1 else tirx.const(value, dtype)
