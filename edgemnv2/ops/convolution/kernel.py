"""Convolutions in plain loops: any kernel size, stride and padding, float32 and integer.

What is computed, not how fast: schedules of a target's own replace these where they can. The inner
loops run over contiguous channels, so that a compiler can vectorise them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.convolution.layer import Conv2D, Convolution, DepthwiseConv2D, TransposedConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code
from edgemnv2.tir.columns import columns_inside
from edgemnv2.tir.requantize import clamped, even_facts, requantize, requantize_constants

__all__ = ["convolution_kernel", "depthwise_project_kernel", "kernels", "transposed_kernel"]

MOST_TAPS = 25
"""Pixels under a kernel for each of which there is code of its own; more are looped over."""
AnyConvolution = Convolution | TransposedConv2D
Expr = Any


def _zero_point(tensor: Tensor) -> int:
    return 0 if tensor.quant is None else tensor.quant.zero_point


def _compute(layer: AnyConvolution) -> str:
    return "float32" if layer.requantize is None else "int32"


def _is_large(layer: Convolution) -> bool:
    return layer.kernel[0] * layer.kernel[1] > MOST_TAPS


def _constants(layer: AnyConvolution) -> tuple[Any, ...]:
    weight = np.ascontiguousarray(layer.weight)
    if isinstance(layer, Conv2D) and _is_large(layer):
        # What one output channel needs lies together.
        weight = np.ascontiguousarray(weight.transpose(3, 0, 1, 2))
    if isinstance(layer, TransposedConv2D):
        weight = np.ascontiguousarray(weight.transpose(0, 1, 3, 2))
    if layer.requantize is None:
        return (np.ascontiguousarray(layer.bias, np.float32), weight)
    return (*requantize_constants(layer.bias, layer.requantize), weight)


@dataclass(frozen=True)
class _Tap:
    """A pixel under the kernel, or `columns` of them in one row, each a tap further."""

    row: Any
    pixel: Expr
    """Offset of its first channel in the row."""
    weight: Expr
    """Offset of its weights, in rows of output channels."""
    columns: Expr = None


class _Parameters:
    """The constant parameters of a convolution, declared in the order of `_constants`."""

    def __init__(self, k: Builder, layer: AnyConvolution, tag: str = "") -> None:
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


def _describe(graph: Graph, layer: AnyConvolution) -> dict[str, Any]:
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    return {
        "op": type(layer).__name__,
        "in": (source.shape[1:], source.dtype, _zero_point(source)),
        "out": (out.shape[1:], out.dtype, _zero_point(out)),
        "weight": (layer.weight.shape, str(layer.weight.dtype)),
        "stride": layer.stride,
        "padding": layer.padding,
        "clamp": layer.clamp,
        **_spread_of(layer),
        "single_rounding": layer.requantize is not None and layer.requantize.single_rounding,
        **even_facts(layer.requantize),
    }


def _spread_of(layer: AnyConvolution) -> dict[str, Any]:
    if isinstance(layer, TransposedConv2D) or layer.is_plain:
        return {}
    groups = layer.groups if isinstance(layer, Conv2D) else 0
    return {"dilation": layer.dilation, "groups": groups}


def _finish(
    k: Builder,
    layer: AnyConvolution,
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
        layer.requantize,
    )


def _columns(layer: Convolution, source: Tensor, out: Tensor) -> list[tuple[int, int, list[int]]]:
    """Runs `(first, count, kx)` of output columns that see the same kernel columns."""
    runs: list[tuple[int, int, list[int]]] = []
    for x in range(out.width):
        start = x * layer.stride[1] - layer.padding[1]
        step = layer.dilation[1]
        seen = [kx for kx in range(layer.kernel[1]) if 0 <= start + kx * step < source.width]
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


def _weight(buffer: Any, at: Expr, layer: AnyConvolution, compute: str) -> Expr:
    value = load(buffer, at, str(layer.weight.dtype))
    return value if str(layer.weight.dtype) == compute else cast(value, compute)


def _each(k: Builder, taps: list[_Tap], across: int, step: int) -> Iterator[tuple[Any, Expr, Expr]]:
    """`(row, offset of the pixel, weight offset)` of every tap, several of a row in a loop."""
    for tap in taps:
        if tap.columns is None:
            yield tap.row, tap.pixel, tap.weight
        else:
            with k.loop(tap.columns) as i:
                yield tap.row, k.let(tap.pixel + i * across), k.let(tap.weight + i * step)


def _dense_pixel(
    k: Builder,
    layer: Conv2D,
    parameters: _Parameters,
    taps: list[_Tap],
    source: Tensor,
    out: Tensor,
    store: Callable[[Expr, Expr], None],
) -> None:
    """All output channels of one pixel."""
    if layer.groups == 1:
        _dense_channels(k, layer, parameters, taps, source, out, store, None)
        return
    with k.loop(layer.groups) as group:
        _dense_channels(k, layer, parameters, taps, source, out, store, group)


def _dense_channels(
    k: Builder,
    layer: Conv2D,
    parameters: _Parameters,
    taps: list[_Tap],
    source: Tensor,
    out: Tensor,
    store: Callable[[Expr, Expr], None],
    group: Expr,
) -> None:
    """The output channels of one group of one pixel (of the only one: None)."""
    compute = _compute(layer)
    cout = out.channels
    cin = source.channels // layer.groups
    with k.loop(cout // layer.groups) as i:
        n = i if group is None else k.let(group * (cout // layer.groups) + i)
        accumulator = k.registers(compute, 1)
        k.set(accumulator, 0, load(parameters.bias, n, compute))
        for row, pixel, weight in _each(k, taps, layer.dilation[1] * source.channels, cin):
            at = k.let(pixel if group is None else pixel + group * cin)
            with k.loop(cin) as c:
                x = _operand(row, at + c, source, compute)
                place = (c + weight) * cout + n
                if _is_large(layer):
                    place = n * int(np.prod(layer.weight.shape[:3])) + (c + weight)
                w = _weight(parameters.weight, place, layer, compute)
                k.set(accumulator, 0, element(accumulator, 0) + x * w)
        total = k.let(element(accumulator, 0))
        store(n, _finish(k, layer, parameters, total, n, out))


def _depthwise_pixel(
    k: Builder,
    layer: DepthwiseConv2D,
    parameters: _Parameters,
    taps: list[_Tap],
    source: Tensor,
    out: Tensor,
    store: Callable[[Expr, Expr], None],
) -> None:
    """All channels of one pixel; weight offsets in taps."""
    compute = _compute(layer)
    if any(tap.columns is not None for tap in taps):
        with k.loop(source.channels) as c:
            sums = k.registers(compute, 1)
            k.set(sums, 0, load(parameters.bias, c, compute))
            for row, at, tap in _each(k, taps, layer.dilation[1] * source.channels, 1):
                x = _operand(row, at + c, source, compute)
                w = _weight(parameters.weight, c + tap * source.channels, layer, compute)
                k.set(sums, 0, element(sums, 0) + x * w)
            total = k.let(element(sums, 0))
            store(c, _finish(k, layer, parameters, total, c, out))
        return
    offsets = [(tap.row, k.let(tap.pixel), tap.weight) for tap in taps]
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
    body: Callable[[Expr, list[_Tap]], None],
) -> None:
    """Call `body(x, taps)` inside a loop over each run of equal columns."""
    step = int(layer.weight.shape[2]) if isinstance(layer, Conv2D) else 1
    apart, width = layer.dilation[1], layer.kernel[1]
    if _is_large(layer):
        with k.loop(out.width) as x:
            seen = columns_inside(
                k,
                x,
                stride=layer.stride[1],
                left=layer.padding[1],
                kernel=width,
                dilation=apart,
                width=source.width,
            )
            pixel = k.let((seen.start + seen.low * apart) * source.channels)
            body(
                x,
                [
                    _Tap(row, pixel, (seen.low + ky * width) * step, seen.count)
                    for ky, row in enumerate(rows)
                ],
            )
        return
    for first, count, columns in _columns(layer, source, out):
        with k.loop(count) as i:
            x = k.let(i + first)
            start = k.let(x * layer.stride[1] - layer.padding[1])
            taps = [
                _Tap(row, (start + kx * apart) * source.channels, (ky * width + kx) * step)
                for ky, row in enumerate(rows)
                for kx in columns
            ]
            body(x, taps)


def kernels(graph: Graph, layer: Layer) -> dict[str, RowKernel]:
    """The row kernel of `layer` by operation name."""
    if isinstance(layer, TransposedConv2D):
        return {layer.name: transposed_kernel(graph, layer)}
    assert isinstance(layer, Convolution)
    return {layer.name: convolution_kernel(graph, layer)}


def convolution_kernel(graph: Graph, layer: Convolution) -> RowKernel:
    """The row kernel of one convolution: `row_0 .. row_{KH-1}, out, constants`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    symbol = symbol_name("plain_" + layer.op, _describe(graph, layer))
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(layer.kernel[0])]
    target = k.pointer("out", out.dtype)
    parameters = _Parameters(k, layer)

    def body(x: Expr, taps: list[_Tap]) -> None:
        base = k.let(x * out.channels)

        def store(channel: Expr, value: Expr) -> None:
            k.store(target, base + channel, value)

        if isinstance(layer, DepthwiseConv2D):
            _depthwise_pixel(k, layer, parameters, taps, source, out, store)
        else:
            assert isinstance(layer, Conv2D)
            _dense_pixel(k, layer, parameters, taps, source, out, store)

    _each_pixel(k, layer, rows, source, out, body)
    return RowKernel(symbol, _constants(layer), code=Code.of(k), schedule="fallback")


def _places(at: Expr, before: int, kernel: int, stride: int) -> tuple[Expr, Expr]:
    """The first position whose window reaches output position `at`, and the tap that does.

    Each further position does with a tap that is `stride` lower.
    """
    # Never negative: floor and modulo are what C has.
    reach = at + (before - kernel + stride + kernel * stride)
    apart = scalar(stride, "int32")
    first = tirx.truncdiv(reach, apart) - kernel
    return first, tirx.truncmod(reach, apart) + (kernel - stride)


def transposed_kernel(graph: Graph, layer: TransposedConv2D) -> RowKernel:
    """`row_0 .. row_{n-1}, out, row number, constants`; weights `[KH, KW, Cout, Cin]`."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    compute = _compute(layer)
    symbol = symbol_name("plain_transposed", _describe(graph, layer))
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", source.dtype) for i in range(layer.taps[0])]
    target, number = k.pointer("out", out.dtype), k.number("row")
    parameters = _Parameters(k, layer)
    (kh, kw), (sy, sx), (top, left) = layer.kernel, layer.stride, layer.padding
    zero, none = scalar(0, "int32"), scalar(-1, "int32")
    cin, cout = source.channels, out.channels
    ky = k.let(_places(number, top, kh, sy)[1])
    with k.loop(out.width) as x:
        place, tap = _places(x, left, kw, sx)
        begin, kx = k.let(place), k.let(tap)
        low = k.let(tirx.Max(zero - begin, zero))
        # Of a negative tap nothing is reached.
        taps = tirx.Select(kx > none, tirx.truncdiv(tirx.Max(kx, zero), scalar(sx, "int32")), none)
        high = k.let(tirx.Min(scalar(source.width, "int32") - begin, taps + 1))
        count = k.let(tirx.Max(high - low, zero))
        base = k.let(x * cout)
        with k.loop(cout) as n:
            accumulator = k.registers(compute, 1)
            k.set(accumulator, 0, load(parameters.bias, n, compute))
            for index, row in enumerate(rows):
                down = k.let(ky - index * sy)
                with k.loop(tirx.Select(down > none, count, zero)) as i:
                    at = k.let((begin + low + i) * cin)
                    across = kx - (low + i) * sx
                    w0 = k.let(((down * kw + across) * cout + n) * cin)
                    with k.loop(cin) as c:
                        value = _operand(row, at + c, source, compute)
                        w = _weight(parameters.weight, w0 + c, layer, compute)
                        k.set(accumulator, 0, element(accumulator, 0) + value * w)
            total = k.let(element(accumulator, 0))
            k.store(target, base + n, _finish(k, layer, parameters, total, n, out))
    return RowKernel(
        symbol,
        _constants(layer),
        takes_row_number=True,
        code=Code.of(k),
        schedule="fallback",
    )


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

    def body(x: Expr, taps: list[_Tap]) -> None:
        def keep(channel: Expr, value: Expr) -> None:
            k.store(scratch, channel, value)

        _depthwise_pixel(k, depthwise, first, taps, source, middle, keep)
        base = k.let(x * out.channels)

        def store(channel: Expr, value: Expr) -> None:
            k.store(target, base + channel, value)

        pixel = [_Tap(scratch, tirx.const(0, "int32"), 0)]
        _dense_pixel(k, project, second, pixel, middle, out, store)

    _each_pixel(k, depthwise, rows, source, middle, body)
    return RowKernel(
        symbol,
        (*_constants(depthwise), *_constants(project)),
        scratch_bytes=middle.channels * middle.itemsize,
        code=Code.of(k),
        schedule="fallback",
        fuses=(depthwise.name,),
    )
