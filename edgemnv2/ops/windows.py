"""Windows of padded maps in NumPy, as references see them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["BLOCK_ELEMENTS", "pad", "patches"]

Array = NDArray[Any]

BLOCK_ELEMENTS = 1 << 14
"""Outputs per step of a reference: small enough that a step's arrays stay in the cache."""


def pad(x: Array, padding: tuple[int, int, int, int]) -> Array:
    """`x` with zeros around its height and width; `padding` is (top, left, bottom, right)."""
    top, left, bottom, right = padding
    if not any(padding):
        return x
    n, h, w, c = x.shape
    out = np.zeros((n, top + h + bottom, left + w + right, c), x.dtype)
    out[:, top : top + h, left : left + w] = x
    return out


def patches(
    x: Array, kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int] = (1, 1)
) -> Array:
    """A view `[N, OH, OW, KH, KW, C]` of the windows of the padded input."""
    span = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
    windows = sliding_window_view(x, span, axis=(1, 2))[:, :: stride[0], :: stride[1]]
    return windows[..., :: dilation[0], :: dilation[1]].transpose(0, 1, 2, 4, 5, 3)
