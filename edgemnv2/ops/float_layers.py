"""Float layers in NumPy: float32 throughout, convolutions by BLAS.

Every function takes and gives `[N, H, W, C]`. The order of summation is BLAS's, so results agree
with other float engines to rounding only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgemnv2.ops.graph import Add, Conv2D, DepthwiseConv2D, GlobalAveragePool, Softmax

__all__ = ["add", "conv2d", "depthwise", "global_average_pool", "pad", "patches", "softmax"]

Array = NDArray[Any]

BLOCK_ELEMENTS = 1 << 14
"""Outputs per step of a depthwise layer: small enough that a step's arrays stay in the cache."""


def pad(x: Array, padding: tuple[int, int, int, int]) -> Array:
    """`x` with zeros around its height and width; `padding` is (top, left, bottom, right)."""
    top, left, bottom, right = padding
    if not any(padding):
        return x
    n, h, w, c = x.shape
    out = np.zeros((n, top + h + bottom, left + w + right, c), x.dtype)
    out[:, top : top + h, left : left + w] = x
    return out


def patches(x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """A view `[N, OH, OW, KH, KW, C]` of the windows of the padded input."""
    windows = sliding_window_view(x, kernel, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return windows.transpose(0, 1, 2, 4, 5, 3)


def conv2d(layer: Conv2D, x: Array) -> Array:
    """Dense convolution, bias and clamp."""
    kh, kw, cin, cout = layer.weight.shape
    weight = np.ascontiguousarray(layer.weight, np.float32).reshape(kh * kw * cin, cout)
    windows = patches(pad(x, layer.padding), layer.kernel, layer.stride)
    n, oh, ow = windows.shape[:3]
    out = windows.reshape(n * oh * ow, kh * kw * cin) @ weight
    out += layer.bias
    _clamp(out, layer.clamp)
    return out.reshape(n, oh, ow, cout)


def depthwise(layer: DepthwiseConv2D, x: Array) -> Array:
    """Depthwise convolution, bias and clamp."""
    padded = pad(x, layer.padding)
    kh, kw = layer.kernel
    sy, sx = layer.stride
    n, h, w, c = padded.shape
    oh, ow = (h - kh) // sy + 1, (w - kw) // sx + 1
    out = np.empty((n, oh, ow, c), np.float32)
    rows = max(1, BLOCK_ELEMENTS // (ow * c))
    for image in range(n):
        for first in range(0, oh, rows):
            part = out[image, first : first + rows]
            part[...] = layer.bias
            for ky in range(kh):
                for kx in range(kw):
                    y = first * sy + ky
                    source = padded[
                        image,
                        y : y + (len(part) - 1) * sy + 1 : sy,
                        kx : kx + (ow - 1) * sx + 1 : sx,
                    ]
                    part += source * layer.weight[ky, kx]
            _clamp(part, layer.clamp)
    return out


def add(layer: Add, a: Array, b: Array) -> Array:
    """Elementwise sum and clamp."""
    out = np.asarray(a + b, np.float32)
    _clamp(out, layer.clamp)
    return out


def global_average_pool(layer: GlobalAveragePool, x: Array) -> Array:
    """Mean over height and width, `[N, 1, 1, C]`."""
    out = np.asarray(x.sum(axis=(1, 2), keepdims=True) / np.float32(x.shape[1] * x.shape[2]))
    _clamp(out, layer.clamp)
    return out


def softmax(layer: Softmax, x: Array) -> Array:
    """Softmax over channels; the maximum is taken off first, so that nothing overflows."""
    out = np.exp(x - x.max(axis=-1, keepdims=True))
    out /= out.sum(axis=-1, keepdims=True)
    return np.asarray(out, np.float32)


def _clamp(out: Array, clamp: tuple[float, float]) -> None:
    if clamp != (-np.inf, np.inf):
        np.clip(out, np.float32(clamp[0]), np.float32(clamp[1]), out=out)
