"""Convolutions in plain loops: any kernel size, stride and padding, float32 and integer.

What is computed, not how fast: schedules of a target's own replace these where they can. The inner
loops run over contiguous channels, so that a compiler can vectorise them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.requantize import clamped, requantize, requantize_constants

__all__ = ["convolution_kernel", "depthwise_project_kernel", "kernels"]

Convolution = Conv2D | DepthwiseConv2D
Expr = Any


def _zero_point(tensor: Tensor) -> int:
    return 0 if tensor.quant is None else tensor.quant.zero_point


def _compute(layer: Convolution) -> str:
    return "float32" if layer.requantize is None else "int32"


def _constants(layer: Convolution) -> tuple[Any, ...]:
    weight = np.ascontiguousarray(layer.weight)
    if layer.requantize is None:
        return (np.ascontiguousarray(layer.bias, np.float32), weight)
    return (*requantize_constants(layer.bias, layer.requantize), weight)


class _Parameters:
    """The constant parameters of a convolution, declared in the order of `_constants`."""

    def __init__(self, k: Builder, layer: Convolution, tag: str = "") -> None:
        self.bias = k.pointer("bias" + tag, _compute(layer))
        self.requantize: tuple[Any, ...] = ()
        if layer.requantize is not None:
            self.requantize = (
                k.pointer("multiplier" + tag, "int32"),
                k.pointer("shift" + tag, "int32"),
            )
            if layer.requantize.addend is not None:
                self.requantize += (k.pointer("addend" + tag, "int32"),)
        self.weight = k.pointer("weight" + tag, str(layer.weight.dtype))


def _describe(graph: Graph, layer: Convolution) -> dict[str, Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    return {
        "op": type(layer).__name__,
        "in": (source.shape[1:], source.dtype, _zero_point(source)),
        "out": (out.shape[1:], out.dtype, _zero_point(out)),
        "weight": (layer.weight.shape, str(layer.weight.dtype)),
        "stride": layer.stride,
        "padding": layer.padding,
        "clamp": layer.clamp,
        "single_rounding": layer.requantize is not None and layer.requantize.single_rounding,
        **_even(layer.requantize),
    }


def _even(factor: Requantize | None) -> dict[str, Any]:
    """What of ONNX's rounding shapes the code."""
    if factor is None or factor.rounding != "even":
        return {}
    return {"rounding": "even", "addend": factor.addend is not None}


def _finish(
    k: Builder,
    layer: Convolution,
    parameters: _Parameters,
    accumulator: Expr,
    channel: Expr,
    out: Tensor,
) -> Expr:
    """Bias is in the accumulator; the rest of the epilogue."""
    if layer.requantize is None:
        return clamped(accumulator, layer.clamp, "float32", out.dtype)
    return requantize(
        k,
        accumulator,
        parameters.requantize,
        channel,
        _zero_point(out),
        layer.clamp,
        out.dtype,
        layer.requantize.rounding,
    )


def _columns(layer: Convolution, source: Tensor, out: Tensor) -> list[tuple[int, int, list[int]]]:
    """Runs `(first, count, kx)` of output columns that see the same kernel columns."""
    runs: list[tuple[int, int, list[int]]] = []
    for x in range(out.width):
        start = x * layer.stride[1] - layer.padding[1]
        seen = [kx for kx in range(layer.kernel[1]) if 0 <= start + kx < source.width]
        if runs and runs[-1][2] == seen:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, seen)
        else:
            runs.append((x, 1, seen))
    return runs


def _operand(buffer: Any, at: Expr, tensor: Tensor, compute: str) -> Expr:
    """One input value with its zero point taken off."""
    value = load(buffer, at, tensor.dtype)
    if tensor.dtype != compute:
        value = cast(value, compute)
    zero_point = _zero_point(tensor)
    return value - scalar(zero_point, compute) if zero_point else value


def _weight(buffer: Any, at: Expr, layer: Convolution, compute: str) -> Expr:
    value = load(buffer, at, str(layer.weight.dtype))
    return value if str(layer.weight.dtype) == compute else cast(value, compute)


def _dense_pixel(
    k: Builder,
    layer: Conv2D,
    parameters: _Parameters,
    taps: list[tuple[Any, Expr, int]],
    source: Tensor,
    out: Tensor,
    store: Callable[[Expr, Expr], None],
) -> None:
    """All output channels of one pixel; `taps` are (row, offset of the pixel, weight offset)."""
    compute = _compute(layer)
    cin, cout = source.channels, out.channels
    with k.loop(cout) as n:
        accumulator = k.registers(compute, 1)
        k.set(accumulator, 0, load(parameters.bias, n, compute))
        for row, pixel, weight in taps:
            at = k.let(pixel)
            with k.loop(cin) as c:
                x = _operand(row, at + c, source, compute)
                w = _weight(parameters.weight, (c + weight) * cout + n, layer, compute)
                k.set(accumulator, 0, element(accumulator, 0) + x * w)
        total = k.let(element(accumulator, 0))
        store(n, _finish(k, layer, parameters, total, n, out))


def _depthwise_pixel(
    k: Builder,
    layer: DepthwiseConv2D,
    parameters: _Parameters,
    taps: list[tuple[Any, Expr, int]],
    source: Tensor,
    out: Tensor,
    store: Callable[[Expr, Expr], None],
) -> None:
    """All channels of one pixel; `taps` as in `_dense_pixel`, weight offsets in taps."""
    compute = _compute(layer)
    offsets = [(row, k.let(pixel), tap) for row, pixel, tap in taps]
    with k.loop(source.channels) as c:
        accumulator = load(parameters.bias, c, compute)
        for row, at, tap in offsets:
            x = _operand(row, at + c, source, compute)
            w = _weight(parameters.weight, c + tap * source.channels, layer, compute)
            accumulator = accumulator + x * w
        store(c, _finish(k, layer, parameters, k.let(accumulator), c, out))


def _each_pixel(
    k: Builder,
    layer: Convolution,
    rows: list[Any],
    source: Tensor,
    out: Tensor,
    body: Callable[[Expr, list[tuple[Any, Expr, int]]], None],
) -> None:
    """Call `body(x, taps)` inside a loop over each run of equal columns."""
    step = source.channels if isinstance(layer, Conv2D) else 1
    for first, count, columns in _columns(layer, source, out):
        with k.loop(count) as i:
            x = k.let(i + first)
            start = k.let(x * layer.stride[1] - layer.padding[1])
            taps = [
                (row, (start + kx) * source.channels, (ky * layer.kernel[1] + kx) * step)
                for ky, row in enumerate(rows)
                for kx in columns
            ]
            body(x, taps)


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    assert isinstance(layer, Conv2D | DepthwiseConv2D)
    return {layer.name: convolution_kernel(graph, layer)}


def convolution_kernel(graph: Graph, layer: Convolution) -> RowKernel:
    """The row kernel of one convolution: `row_0 .. row_{KH-1}, out, constants`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    symbol = symbol_name("plain_" + layer.op, _describe(graph, layer))
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(layer.kernel[0])]
    target = k.pointer("out", out.dtype)
    parameters = _Parameters(k, layer)

    def body(x: Expr, taps: list[tuple[Any, Expr, int]]) -> None:
        base = k.let(x * out.channels)

        def store(channel: Expr, value: Expr) -> None:
            k.store(target, base + channel, value)

        if isinstance(layer, Conv2D):
            _dense_pixel(k, layer, parameters, taps, source, out, store)
        else:
            _depthwise_pixel(k, layer, parameters, taps, source, out, store)

    _each_pixel(k, layer, rows, source, out, body)
    return RowKernel(symbol, _constants(layer), prim_func=k.function(), schedule="fallback")


def depthwise_project_kernel(graph: Graph, depthwise: Layer, project: Layer) -> RowKernel:
    """Depthwise and the pointwise projection behind it, pixel by pixel: the row between them never
    exists, only one pixel of it, in scratch.
    """
    assert isinstance(depthwise, DepthwiseConv2D) and isinstance(project, Conv2D)
    source, middle = graph.tensor_in(depthwise), graph.tensor_out(depthwise)
    out = graph.tensor_out(project)
    description = {"first": _describe(graph, depthwise), "second": _describe(graph, project)}
    symbol = symbol_name("plain_depthwise_project", description)
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(depthwise.kernel[0])]
    target = k.pointer("out", out.dtype)
    scratch = k.pointer("scratch", middle.dtype)
    first, second = _Parameters(k, depthwise), _Parameters(k, project, "2")

    def body(x: Expr, taps: list[tuple[Any, Expr, int]]) -> None:
        def keep(channel: Expr, value: Expr) -> None:
            k.store(scratch, channel, value)

        _depthwise_pixel(k, depthwise, first, taps, source, middle, keep)
        base = k.let(x * out.channels)

        def store(channel: Expr, value: Expr) -> None:
            k.store(target, base + channel, value)

        pixel = [(scratch, tirx.const(0, "int32"), 0)]
        _dense_pixel(k, project, second, pixel, middle, out, store)

    _each_pixel(k, depthwise, rows, source, middle, body)
    return RowKernel(
        symbol,
        (*_constants(depthwise), *_constants(project)),
        scratch_bytes=middle.channels * middle.itemsize,
        prim_func=k.function(),
        schedule="fallback",
        fuses=(depthwise.name,),
    )
