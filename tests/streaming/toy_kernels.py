"""Plain row kernels for toy networks: what the row program can say, in the simplest arithmetic.

All activations are int8 with the zero point `ZERO`; a weighted sum is shifted right by `SHIFT`,
halves up, and clamped. `out_pitch` and parts are in bytes, which are elements here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from tvm import tirx

from edgemnv2.ops.kernel import RowKernel
from edgemnv2.tir.builder import Builder, cast, element, load, scalar, symbol_name
from edgemnv2.tir.code import Code

ZERO = -3
SHIFT = 6
Expr = Any


def _int(value: int) -> Expr:
    return scalar(value, "int32")


def _clamped(value: Expr) -> Expr:
    return cast(tirx.Min(tirx.Max(value, _int(-128)), _int(127)), "int8")


def _scaled(total: Expr) -> Expr:
    return (total + _int(1 << (SHIFT - 1))) >> _int(SHIFT)


def _made(k: Builder, symbol: str, constants: tuple[Any, ...], **facts: Any) -> RowKernel:
    return RowKernel(symbol, constants, code=Code.of(k), schedule="fallback", **facts)


def convolution(
    weight: Any, width_in: int, width_out: int, stride: int, pitch: int = 0, dilation: int = 1
) -> RowKernel:
    """`[KH, KW, Cin, Cout]` dense, or `[KH, KW, C]` depthwise; square padding of zero points."""
    kh, kw, cin = weight.shape[:3]
    depthwise = weight.ndim == 3
    cout = cin if depthwise else weight.shape[3]
    pitch = pitch or cout
    pad = dilation * (kw - 1) // 2
    key = {"w": weight.shape, "in": width_in, "out": width_out, "s": stride, "d": dilation}
    symbol = symbol_name("toy_conv", {**key, "pitch": pitch})
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", "int8") for i in range(kh)]
    out, table = k.pointer("out", "int8"), k.pointer("weight", "int8")
    sums = k.registers("int32", 1)
    with k.loop(width_out) as x, k.loop(cout) as n:
        k.set(sums, 0, _int(0))
        for ky in range(kh):
            for kx in range(kw):
                column = k.let(x * stride + (kx * dilation - pad))
                near = k.let(tirx.Min(tirx.Max(column, _int(0)), _int(width_in - 1)))
                inside = k.let(tirx.Select(tirx.EQ(column, near), _int(1), _int(0)))
                tap = (ky * kw + kx) * cin
                row = rows[ky]
                if depthwise:
                    value = cast(load(row, near * cin + n, "int8"), "int32") - _int(ZERO)
                    w = cast(load(table, n + tap, "int8"), "int32")
                    k.set(sums, 0, element(sums, 0) + value * w * inside)
                    continue
                with k.loop(cin) as c:
                    value = cast(load(row, near * cin + c, "int8"), "int32") - _int(ZERO)
                    w = cast(load(table, (c + tap) * cout + n, "int8"), "int32")
                    k.set(sums, 0, element(sums, 0) + value * w * inside)
        total = k.let(_scaled(element(sums, 0)) + _int(ZERO))
        k.store(out, x * pitch + n, _clamped(total))
    return _made(k, symbol, (weight,), out_pitch=0 if pitch == cout else pitch)


def add(elements: int) -> RowKernel:
    """The second operand may be the output."""
    symbol = symbol_name("toy_add", {"elements": elements})
    k = Builder(symbol, noalias=False, scope="global")
    a, b, out = k.pointer("row0", "int8"), k.pointer("row1", "int8"), k.pointer("out", "int8")
    with k.loop(elements) as i:
        total = cast(load(a, i, "int8"), "int32") + cast(load(b, i, "int8"), "int32") - _int(ZERO)
        k.store(out, i, _clamped(total))
    return _made(k, symbol, ())


def sum_rows(width: int, channels: int) -> RowKernel:
    """Adds a row of pixels to one int32 per channel."""
    symbol = symbol_name("toy_sum", {"width": width, "channels": channels})
    k = Builder(symbol, scope="global")
    row, sums = k.pointer("row0", "int8"), k.pointer("out", "int32")
    with k.loop(width) as x, k.loop(channels) as c:
        value = cast(load(row, x * channels + c, "int8"), "int32")
        k.store(sums, c, load(sums, c, "int32") + value)
    return _made(k, symbol, ())


def mean(channels: int, count: int) -> RowKernel:
    """Sums divided by `count`, downwards."""
    symbol = symbol_name("toy_mean", {"channels": channels, "count": count})
    k = Builder(symbol, scope="global")
    sums, out = k.pointer("row0", "int32"), k.pointer("out", "int8")
    with k.loop(channels) as c:
        k.store(out, c, _clamped(tirx.floordiv(load(sums, c, "int32"), _int(count))))
    return _made(k, symbol, ())


def spread(width: int, channels: int, pitch: int = 0) -> RowKernel:
    """One pixel, again and again; as a copy of a row for `width` 1."""
    pitch = pitch or channels
    symbol = symbol_name("toy_spread", {"width": width, "channels": channels, "pitch": pitch})
    k = Builder(symbol, scope="global")
    row, out = k.pointer("row0", "int8"), k.pointer("out", "int8")
    with k.loop(width) as x, k.loop(channels) as c:
        k.store(out, x * pitch + c, load(row, c, "int8"))
    return _made(k, symbol, (), out_pitch=0 if pitch == channels else pitch)


def concatenate(width: int, channels: tuple[int, ...]) -> RowKernel:
    """Pixels of all operands side by side, copied."""
    symbol = symbol_name("toy_concatenate", {"width": width, "channels": channels})
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", "int8") for i in range(len(channels))]
    out = k.pointer("out", "int8")
    with k.loop(width) as x:
        at = 0
        for row, count in zip(rows, channels, strict=True):
            with k.loop(count) as c:
                k.store(out, x * sum(channels) + (c + at), load(row, x * count + c, "int8"))
            at += count
    return _made(k, symbol, ())


def maximum(width_in: int, width_out: int, channels: int) -> RowKernel:
    """2x2 at stride 2; a row outside has the lowest value, a column outside is left out."""
    symbol = symbol_name("toy_maximum", {"in": width_in, "out": width_out, "c": channels})
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", "int8") for i in range(2)]
    out = k.pointer("out", "int8")
    with k.loop(width_out) as x, k.loop(channels) as c:
        right = k.let(tirx.Min(x * 2 + 1, _int(width_in - 1)))
        values = [
            cast(load(row, at * channels + c, "int8"), "int32")
            for row in rows
            for at in (x * 2, right)
        ]
        best = k.let(tirx.Max(tirx.Max(values[0], values[1]), tirx.Max(values[2], values[3])))
        k.store(out, x * channels + c, cast(best, "int8"))
    return _made(k, symbol, ())


def resize_weights(size_in: int, size_out: int) -> Any:
    """Of each output position: how many 64ths of the second of its two; int32."""
    at = np.arange(size_out) * (size_in - 1)
    return (at % (size_out - 1) * 64 // (size_out - 1)).astype(np.int32)


def upsample(height: tuple[int, int], width: tuple[int, int], channels: int) -> RowKernel:
    """Bilinear with aligned corners; weights of the rows by the number of the row."""
    symbol = symbol_name("toy_upsample", {"h": height, "w": width, "channels": channels})
    k = Builder(symbol, scope="global")
    rows = [k.pointer(f"row{i}", "int8") for i in range(2)]
    out, number = k.pointer("out", "int8"), k.number("row")
    down, across = k.pointer("down", "int32"), k.pointer("across", "int32")
    below = k.let(load(down, number, "int32"))
    with k.loop(width[1]) as x:
        right = k.let(load(across, x, "int32"))
        first = k.let(tirx.floordiv(x * (width[0] - 1), _int(width[1] - 1)))
        second = k.let(tirx.Min(first + 1, _int(width[0] - 1)))
        with k.loop(channels) as c:
            lines = []
            for row in rows:
                a = cast(load(row, first * channels + c, "int8"), "int32")
                b = cast(load(row, second * channels + c, "int8"), "int32")
                lines.append(k.let(a * (_int(64) - right) + b * right))
            total = k.let(lines[0] * (_int(64) - below) + lines[1] * below)
            k.store(out, x * channels + c, cast(total >> _int(12), "int8"))
    constants = (resize_weights(*height), resize_weights(*width))
    return _made(k, symbol, constants, takes_row_number=True)


def best_channel(width: int, channels: int) -> RowKernel:
    """The lowest channel with the greatest value; two outputs, int64 and the value itself."""
    symbol = symbol_name("toy_best", {"width": width, "channels": channels})
    k = Builder(symbol, scope="global")
    row = k.pointer("row0", "int8")
    out, most = k.pointer("out", "int64"), k.pointer("most", "int8")
    best = k.registers("int32", 2)
    with k.loop(width) as x:
        k.set(best, 0, _int(-129))
        k.set(best, 1, _int(0))
        with k.loop(channels) as c:
            value = k.let(cast(load(row, x * channels + c, "int8"), "int32"))
            greater = k.let(tirx.Select(value > element(best, 0), _int(1), _int(0)))
            k.set(best, 1, element(best, 1) + (c - element(best, 1)) * greater)
            k.set(best, 0, tirx.Max(element(best, 0), value))
        k.store(out, x, cast(element(best, 1), "int64"))
        k.store(most, x, cast(element(best, 0), "int8"))
    return _made(k, symbol, ())


def product(size: int, outputs: int) -> RowKernel:
    """A dense layer on a whole map behind one pointer; its sums are scratch first."""
    symbol = symbol_name("toy_product", {"size": size, "outputs": outputs})
    k = Builder(symbol, scope="global")
    row, out = k.pointer("row0", "int8"), k.pointer("out", "int8")
    scratch, table = k.pointer("scratch", "int32"), k.pointer("weight", "int8")
    with k.loop(outputs) as n:
        k.store(scratch, n, _int(0))
    with k.loop(size) as i:
        value = k.let(cast(load(row, i, "int8"), "int32") - _int(ZERO))
        with k.loop(outputs) as n:
            w = cast(load(table, i * outputs + n, "int8"), "int32")
            k.store(scratch, n, load(scratch, n, "int32") + value * w)
    with k.loop(outputs) as n:
        k.store(out, n, _clamped(_scaled(load(scratch, n, "int32")) + _int(ZERO)))
    weight = np.random.default_rng(size).integers(-9, 10, (size, outputs)).astype(np.int8)
    return _made(k, symbol, (weight,), scratch_bytes=4 * outputs)
