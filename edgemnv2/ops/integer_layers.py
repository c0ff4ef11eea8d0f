"""Integer layers in NumPy, bit for bit as TFLite's reference kernels.

Every function takes and gives `[N, H, W, C]` in the tensors' own integer types. Sums of products
go through float BLAS: they are exact as long as no partial sum leaves the mantissa, which the
weights bound; float32 where that suffices, float64 otherwise. The epilogue runs on blocks that
stay in the cache.

Source: TFLite `kernels/internal/reference/{conv,depthwiseconv,add,softmax,pooling,requantize,
quantize}.h` and `integer_ops/mean.h`; gemmlowp `fixedpoint.h`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.float_layers import BLOCK_ELEMENTS, pad, patches
from edgemnv2.ops.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    GlobalAveragePool,
    Quantize,
    Rescale,
    Softmax,
    Tensor,
)

__all__ = [
    "add",
    "conv2d",
    "depthwise",
    "dequantize",
    "global_average_pool",
    "quantize",
    "rescale",
    "softmax",
]

Array = NDArray[Any]

PRODUCT_ELEMENTS = 1 << 21
"""Elements of the larger operand or result of one matrix product."""


class _Epilogue:
    """`acc -> clamp(requantise(acc + bias) + zero point)` for blocks of `rows` x `[..., C]`.

    The constants are spread over a whole block and the scratch is kept, since broadcasting a short
    channel axis and fresh pages would cost more than the arithmetic.
    """

    def __init__(
        self,
        layer: Conv2D | DepthwiseConv2D,
        bound: int,
        target: Tensor,
        shape: tuple[int, ...],
    ) -> None:
        requantize = _requantize(layer)
        shift = requantize.shift.astype(np.int64)
        bias = layer.bias.astype(np.int64)
        left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
        if requantize.single_rounding:
            right = right + 31 - left
            left = np.zeros_like(left)
        largest = (bound + int(np.abs(bias).max())) << int(left.max())
        self.may_wrap = largest >= 2**31
        self.single_rounding = requantize.single_rounding
        self.bias = _spread(bias, shape)
        self.multiplier = _spread(requantize.multiplier, shape)
        self.left = _spread(left, shape) if left.any() else None
        self.right = _spread(right, shape)
        self.half = (np.int64(1) << self.right) >> 1
        # A right shift by 0 rounds nothing, whatever the sign.
        self.rounds = None if right.all() else _spread(-(right > 0).astype(np.int64), shape)
        self.zero_point = _quant(target).zero_point
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
    windows = patches(_centred(x, source, layer.padding, weight), layer.kernel, layer.stride)
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
        centred -= _quant(source).zero_point
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
    oh, ow = (h - kh) // sy + 1, (w - kw) // sx + 1
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
                top = first * sy + ky
                rows = padded[image, top : top + (len(part) - 1) * sy + 1 : sy]
                for kx in range(kw):
                    taps = rows[:, kx : kx + (ow - 1) * sx + 1 : sx]
                    acc += np.multiply(taps, weight[ky, kx], out=product)
            epilogue(acc, part)
    return out


def add(layer: Add, a: Array, b: Array, sources: tuple[Tensor, Tensor], target: Tensor) -> Array:
    """TFLite's ADD. Either input has 256 values at most, so its rescaling is a table."""
    if layer.rescale is None:
        raise AssertionError(f"{layer.name}: integer add without rescale")
    tables = [
        _table_of(source, layer.rescale[i], layer.left_shift) for i, source in enumerate(sources)
    ]
    out = np.empty(a.shape, target.dtype)
    flat_a, flat_b, flat = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    factor = layer.rescale[2]
    for first in range(0, flat.size, BLOCK_ELEMENTS):
        block = slice(first, first + BLOCK_ELEMENTS)
        total = tables[0][_index(flat_a[block])]
        total += tables[1][_index(flat_b[block])]
        total = multiply_by_quantized_multiplier(total, factor.multiplier, factor.shift)
        total += _quant(target).zero_point
        flat[block] = np.clip(total, int(layer.clamp[0]), int(layer.clamp[1]))
    return out


def global_average_pool(
    layer: GlobalAveragePool, x: Array, source: Tensor, target: Tensor
) -> Array:
    """TFLite's MEAN (with `requantize`) or AVERAGE_POOL_2D over the whole map."""
    count = x.shape[1] * x.shape[2]
    total = x.sum(axis=(1, 2), keepdims=True, dtype=np.int64)
    if layer.requantize is not None:
        total -= count * _quant(source).zero_point
        factor = layer.requantize
        total = multiply_by_quantized_multiplier(total, factor.multiplier, factor.shift)
        total += _quant(target).zero_point
    else:  # C's division truncates, so that halves go away from zero
        total = np.sign(total) * ((np.abs(total) + count // 2) // count)
    clipped: Array = np.clip(total, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
    return clipped


def rescale(layer: Rescale, x: Array, source: Tensor, target: Tensor) -> Array:
    """Integer to integer of other quantisation, by table."""
    table = _table_of(source, layer.requantize, 0) + _quant(target).zero_point
    table = np.clip(table, int(layer.clamp[0]), int(layer.clamp[1])).astype(target.dtype)
    return np.asarray(table[_index(x)])


def quantize(layer: Quantize, x: Array, target: Tensor) -> Array:
    """float32 to integer; the division is float32's, the rounding exact."""
    quant = _quant(target)
    scaled = (x / np.float32(quant.scale)).astype(np.float64)
    if layer.rounding == "even":
        scaled = np.rint(scaled)
    else:
        scaled = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    limits = np.iinfo(target.dtype)
    clipped: Array = np.clip(scaled + quant.zero_point, limits.min, limits.max)
    return clipped.astype(target.dtype)


def dequantize(layer: Dequantize, x: Array, source: Tensor) -> Array:
    """Integer to float32."""
    quant = _quant(source)
    return (x.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)


def softmax(layer: Softmax, x: Array, target: Tensor) -> Array:
    """TFLite's integer softmax over channels, from the layer's table of exponentials."""
    if layer.exp_table is None:
        raise AssertionError(f"{layer.name}: integer softmax without table")
    distance = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    exponential = layer.exp_table.astype(np.int64)[distance]
    # The sum has 12 integer bits (kAccumulationIntegerBits).
    total = rounding_divide_by_pot(exponential, np.int64(12)).sum(axis=-1, keepdims=True)
    reciprocal, bits_over_unit = _reciprocal(total)
    limits = np.iinfo(target.dtype)
    out = saturating_rounding_doubling_high_mul(exponential, reciprocal)
    out = rounding_divide_by_pot(out, bits_over_unit + (31 - limits.bits)) + limits.min
    clipped: Array = np.clip(out, limits.min, limits.max).astype(target.dtype)
    return clipped


def _reciprocal(x: Array) -> tuple[Array, Array]:
    """TFLite's `GetReciprocal` of Q12.19 values: `(1 / x` in Q0.31, `num_bits_over_unit)`."""
    # frexp's exponent is the bit length, exactly, for values below 2**53.
    headroom = 32 - np.frexp(x.astype(np.float64))[1].astype(np.int64)
    a = (x << headroom) - (1 << 31)  # x - 1 in Q0.31 after scaling x to [1, 2)
    one = (1 << 31) - 1
    half_denominator = (a + one + 1) >> 1  # RoundingHalfSum of values that are not negative
    # Newton-Raphson from 48/17 - 32/17 d, in Q2.29.
    y = 1515870810 + saturating_rounding_doubling_high_mul(half_denominator, np.int64(-1010580540))
    for _ in range(3):
        residue = (1 << 29) - saturating_rounding_doubling_high_mul(half_denominator, y)
        y = y + _saturate(saturating_rounding_doubling_high_mul(y, residue) << 2)
    return _saturate(y << 1), 12 - headroom


def _saturate(x: Array) -> Array:
    clipped: Array = np.clip(x, -(2**31), 2**31 - 1)
    return clipped


def _quant(tensor: Tensor) -> QuantParams:
    if tensor.quant is None:
        raise AssertionError(f"{tensor.name}: integer tensor without quantisation")
    return tensor.quant


def _requantize(layer: Conv2D | DepthwiseConv2D) -> Requantize:
    if layer.requantize is None:
        raise AssertionError(f"{layer.name}: integer convolution without requantize")
    return layer.requantize


def _bound(weight: Array, source: Tensor) -> int:
    """The largest |sum of products| that any input can give; `weight` `[K, C]`."""
    limits = np.iinfo(source.dtype)
    zero_point = _quant(source).zero_point
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
    values -= _quant(source).zero_point
    return pad(values, padding)


def _index(x: Array) -> Array:
    """The bits of 8-bit values as an index 0..255."""
    return np.asarray(x.view(np.uint8))


def _table_of(source: Tensor, factor: Requantize, left_shift: int) -> Array:
    """int64 `[256]`: `(x - zero point) << left_shift`, rescaled, for each 8-bit pattern of x."""
    values = np.arange(256, dtype=np.uint8).view(source.dtype).astype(np.int64)
    values = (values - _quant(source).zero_point) << left_shift
    return multiply_by_quantized_multiplier(values, factor.multiplier, factor.shift)
