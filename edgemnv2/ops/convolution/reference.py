"""Convolutions in NumPy: float32 by BLAS, integers bit for bit.

Float sums have BLAS's order, so they agree with other engines to rounding only. Sums of integer
products go through BLAS too: they are exact as long as no partial sum leaves the mantissa, which
the weights bound; float32 where that suffices, float64 otherwise. The epilogue runs on blocks that
stay in the cache. Source: TFLite `kernels/internal/reference/{conv,depthwiseconv}.h`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.convolution.layer import Conv2D, Convolution, DepthwiseConv2D, TransposedConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.values import clamp_floats, quant_of
from edgemnv2.ops.windows import BLOCK_ELEMENTS, pad, patches

__all__ = ["conv2d", "depthwise", "float_conv2d", "float_depthwise", "run", "spread_out"]

Array = NDArray[Any]

PRODUCT_ELEMENTS = 1 << 21
"""Elements of the larger operand or result of one matrix product."""


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    source, target, x = graph.tensor_in(layer), graph.tensor_out(layer), inputs[0]
    if isinstance(layer, Conv2D):
        shares = _groups(layer, x)
        if layer.requantize is None:
            return np.concatenate([float_conv2d(part, share) for part, share in shares], axis=-1)
        made = [conv2d(part, share, source, target) for part, share in shares]
        return np.concatenate(made, axis=-1)
    if isinstance(layer, TransposedConv2D):
        zero = 0 if source.quant is None else source.quant.zero_point
        plain, spread = spread_out(layer, x, target, zero)
        if layer.requantize is None:
            return float_conv2d(plain, spread)
        return conv2d(plain, spread, source, target)
    assert isinstance(layer, DepthwiseConv2D)
    if layer.requantize is None:
        return float_depthwise(layer, x)
    return depthwise(layer, x, source, target)


def _groups(layer: Conv2D, x: Array) -> list[tuple[Conv2D, Array]]:
    """Each group as a convolution of its own, with the input channels that it sees."""
    if layer.groups == 1:
        return [(layer, x)]
    inner = layer.weight.shape[2]
    outer = layer.weight.shape[3] // layer.groups
    parts = []
    for group in range(layer.groups):
        made = slice(group * outer, (group + 1) * outer)
        factor = layer.requantize
        if factor is not None:
            factor = replace(factor, multiplier=factor.multiplier[made], shift=factor.shift[made])
        part = replace(
            layer,
            weight=layer.weight[..., made],
            bias=layer.bias[made],
            requantize=factor,
            groups=1,
        )
        parts.append((part, x[..., group * inner : (group + 1) * inner]))
    return parts


def spread_out(
    layer: TransposedConv2D, x: Array, target: Tensor, zero: int = 0
) -> tuple[Conv2D, Array]:
    """The convolution with the kernel turned round, over the pixels `stride` apart in zeros.

    `zero` is what stands for zero in `x`.
    """
    (kh, kw), (sy, sx) = layer.kernel, layer.stride
    n, h, w, c = x.shape
    before = kh - 1 - layer.padding[0], kw - 1 - layer.padding[1]
    height, width = target.height + kh - 1, target.width + kw - 1
    canvas = np.full((n, height, width, c), zero, x.dtype)
    rows, columns = before[0] + sy * np.arange(h), before[1] + sx * np.arange(w)
    seen_rows = (rows >= 0) & (rows < height)
    seen_columns = (columns >= 0) & (columns < width)
    canvas[np.ix_(np.arange(n), rows[seen_rows], columns[seen_columns])] = x[:, seen_rows][
        :, :, seen_columns
    ]
    plain = Conv2D(
        layer.name,
        layer.inputs,
        layer.output,
        np.ascontiguousarray(layer.weight[::-1, ::-1]),
        layer.bias,
        (1, 1),
        (0, 0, 0, 0),
        layer.clamp,
        layer.requantize,
    )
    return plain, canvas


def float_conv2d(layer: Conv2D, x: Array) -> Array:
    """Dense convolution, bias and clamp."""
    kh, kw, cin, cout = layer.weight.shape
    weight = np.ascontiguousarray(layer.weight, np.float32).reshape(kh * kw * cin, cout)
    windows = patches(pad(x, layer.padding), layer.kernel, layer.stride, layer.dilation)
    n, oh, ow = windows.shape[:3]
    out = windows.reshape(n * oh * ow, kh * kw * cin) @ weight
    out += layer.bias
    clamp_floats(out, layer.clamp)
    return out.reshape(n, oh, ow, cout)


def float_depthwise(layer: DepthwiseConv2D, x: Array) -> Array:
    """Depthwise convolution, bias and clamp."""
    padded = pad(x, layer.padding)
    kh, kw = layer.kernel
    sy, sx = layer.stride
    dy, dx = layer.dilation
    rows, columns = layer.window
    n, h, w, c = padded.shape
    oh, ow = (h - rows) // sy + 1, (w - columns) // sx + 1
    out = np.empty((n, oh, ow, c), np.float32)
    step = max(1, BLOCK_ELEMENTS // (ow * c))
    for image in range(n):
        for first in range(0, oh, step):
            part = out[image, first : first + step]
            part[...] = layer.bias
            for ky in range(kh):
                for kx in range(kw):
                    y, left = first * sy + ky * dy, kx * dx
                    source = padded[
                        image,
                        y : y + (len(part) - 1) * sy + 1 : sy,
                        left : left + (ow - 1) * sx + 1 : sx,
                    ]
                    part += source * layer.weight[ky, kx]
            clamp_floats(part, layer.clamp)
    return out


class _Epilogue:
    """`acc -> clamp(requantise(acc + bias) + zero point)` for blocks of `rows` x `[..., C]`.

    The constants are spread over a whole block and the scratch is kept, since broadcasting a short
    channel axis and fresh pages would cost more than the arithmetic.
    """

    def __init__(
        self,
        layer: Convolution,
        bound: int,
        target: Tensor,
        shape: tuple[int, ...],
    ) -> None:
        requantize = _requantize(layer)
        shift = requantize.shift.astype(np.int64)
        bias = layer.bias.astype(np.int64)
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        self.even = requantize.rounding == "even"
        if requantize.single_rounding or self.even:
            right = right + 31 - left
            left = np.zeros_like(left)
        addend = requantize.addend
        self.addend = None if addend is None else _spread(addend, shape)
        largest = (bound + int(np.abs(bias).max())) << int(left.max())
        # Sums of ONNX's layers never leave int32.
        self.may_wrap = largest >= 2**31 and not self.even
        self.single_rounding = requantize.single_rounding
        self.bias = _spread(bias, shape)
        self.multiplier = _spread(requantize.multiplier, shape)
        self.left = _spread(left, shape) if left.any() else None
        self.right = _spread(right, shape)
        self.half = (np.int64(1) << self.right) >> 1
        # A right shift by 0 rounds nothing, whatever the sign.
        self.rounds = None if right.all() else _spread(-(right > 0).astype(np.int64), shape)
        self.zero_point = quant_of(target).zero_point
        self.clamp = int(layer.clamp[0]), int(layer.clamp[1])
        self.x = np.empty(shape, np.int64)
        self.sign = np.empty(shape, np.int64)

    def __call__(self, acc: Array, out: Array) -> None:
        """Fills `out` (any integer type) from exact float sums `acc`, at most `shape[0]` rows."""
        rows = len(acc)
        x, sign = self.x[:rows], self.sign[:rows]
        np.copyto(x, acc, casting="unsafe")
        x += self.bias[:rows]
        if self.may_wrap:
            _wrap(x)
        if self.left is not None:
            x <<= self.left[:rows]
            if self.may_wrap:
                _wrap(x)
        x *= self.multiplier[:rows]
        if self.even:
            self._round_to_even(x, sign, rows)
            x += self.zero_point
            np.clip(x, *self.clamp, out=x)
            np.copyto(out, x, casting="unsafe")
            return
        if not self.single_rounding:
            # SaturatingRoundingDoublingHighMul; a multiplier >= 0 never saturates.
            x += 1 << 30
            x >>= 31
        # RoundingDivideByPOT, halves away from zero: one less before the shift where negative.
        np.right_shift(x, 63, out=sign)
        if self.rounds is not None:
            sign &= self.rounds[:rows]
        x += sign
        x += self.half[:rows]
        x >>= self.right[:rows]
        x += self.zero_point
        np.clip(x, *self.clamp, out=x)
        np.copyto(out, x, casting="unsafe")

    def _round_to_even(self, x: Array, low: Array, rows: int) -> None:
        """`x / 2**right` with halves to even, in place; `low` is scratch."""
        if self.addend is not None:
            x += self.addend[:rows]
        right, half = self.right[:rows], self.half[:rows]
        # One less than a half where the whole part is even: a half then stays below.
        np.right_shift(x, right, out=low)
        low &= 1
        low -= 1
        x += low
        x += half
        x >>= right


def _spread(values: Array, shape: tuple[int, ...]) -> Array:
    return np.ascontiguousarray(np.broadcast_to(values.astype(np.int64), shape))


def _wrap(x: Array) -> None:
    """int32 arithmetic of the C code, on int64 values, in place."""
    x[...] = x.astype(np.int32)


def conv2d(layer: Conv2D, x: Array, source: Tensor, target: Tensor) -> Array:
    """Dense convolution with bias, requantisation and clamp."""
    kh, kw, cin, cout = layer.weight.shape
    depth = kh * kw * cin
    weight = layer.weight.reshape(depth, cout)
    bound = _bound(weight, source)
    weight = np.ascontiguousarray(weight, _float_type(bound))
    if layer.op == "pointwise":
        return _pointwise(layer, x, weight, bound, source, target)
    centred = _centred(x, source, layer.padding, weight)
    windows = patches(centred, layer.kernel, layer.stride, layer.dilation)
    n, oh, ow = windows.shape[:3]
    out = np.empty((n, oh, ow, cout), target.dtype)
    step = min(oh, max(1, BLOCK_ELEMENTS // (ow * max(depth, cout))))
    epilogue = _Epilogue(layer, bound, target, (step, ow, cout))
    for image in range(n):
        for first in range(0, oh, step):
            part = out[image, first : first + step]
            acc = windows[image, first : first + step].reshape(-1, depth) @ weight
            epilogue(acc.reshape(part.shape), part)
    return out


def _pointwise(
    layer: Conv2D, x: Array, weight: Array, bound: int, source: Tensor, target: Tensor
) -> Array:
    """The 1x1 case: products over the pixels of all images.

    A few large products rather than many small ones, which BLAS's threads would spend waiting.
    """
    depth, cout = weight.shape
    pixels = np.ascontiguousarray(x).reshape(-1, depth)
    out = np.empty((len(pixels), cout), target.dtype)
    step = min(len(pixels), max(1, BLOCK_ELEMENTS // cout))
    epilogue = _Epilogue(layer, bound, target, (step, cout))
    large = step * max(1, PRODUCT_ELEMENTS // (step * max(depth, cout)))
    for start in range(0, len(pixels), large):
        centred = pixels[start : start + large].astype(weight.dtype)
        centred -= quant_of(source).zero_point
        acc = centred @ weight
        for first in range(0, len(acc), step):
            block = acc[first : first + step]
            epilogue(block, out[start + first : start + first + len(block)])
    return out.reshape(*x.shape[:3], cout)


def depthwise(layer: DepthwiseConv2D, x: Array, source: Tensor, target: Tensor) -> Array:
    """Depthwise convolution with bias, requantisation and clamp."""
    kh, kw, c = layer.weight.shape
    sy, sx = layer.stride
    bound = _bound(layer.weight.reshape(kh * kw, c), source)
    dtype = _float_type(bound)
    padded = _centred(x, source, layer.padding, np.empty(0, dtype))
    n, h, w = padded.shape[:3]
    (dy, dx), (high, wide) = layer.dilation, layer.window
    oh, ow = (h - high) // sy + 1, (w - wide) // sx + 1
    out = np.empty((n, oh, ow, c), target.dtype)
    step = min(oh, max(1, BLOCK_ELEMENTS // (ow * c)))
    shape = (step, ow, c)
    epilogue = _Epilogue(layer, bound, target, shape)
    weight = np.broadcast_to(layer.weight.astype(dtype)[:, :, np.newaxis], (kh, kw, ow, c))
    weight = np.ascontiguousarray(weight)
    sums, products = np.empty(shape, dtype), np.empty(shape, dtype)
    for image in range(n):
        for first in range(0, oh, step):
            part = out[image, first : first + step]
            acc, product = sums[: len(part)], products[: len(part)]
            acc.fill(0)
            for ky in range(kh):
                top = first * sy + ky * dy
                rows = padded[image, top : top + (len(part) - 1) * sy + 1 : sy]
                for kx in range(kw):
                    taps = rows[:, kx * dx : kx * dx + (ow - 1) * sx + 1 : sx]
                    acc += np.multiply(taps, weight[ky, kx], out=product)
            epilogue(acc, part)
    return out


def _requantize(layer: Convolution) -> Requantize:
    if layer.requantize is None:
        raise AssertionError(f"{layer.name}: integer convolution without requantize")
    return layer.requantize


def _bound(weight: Array, source: Tensor) -> int:
    """The largest |sum of products| that any input can give; `weight` `[K, C]`."""
    limits = np.iinfo(source.dtype)
    zero_point = quant_of(source).zero_point
    largest_input = max(limits.max - zero_point, zero_point - limits.min)
    sums = np.abs(weight.astype(np.int64)).sum(axis=0)
    return int(sums.max()) * int(largest_input)


def _float_type(bound: int) -> type[np.floating[Any]]:
    """The narrowest float in which sums up to `bound` are exact, in any order."""
    if bound < 2**24:
        return np.float32
    if bound < 2**53:
        return np.float64
    raise AssertionError(f"sums up to {bound} are not exact in float64")


def _centred(x: Array, source: Tensor, padding: tuple[int, int, int, int], like: Array) -> Array:
    """`x` as floats, zero point taken off, padded with zeros."""
    values = x.astype(like.dtype)
    values -= quant_of(source).zero_point
    return pad(values, padding)
