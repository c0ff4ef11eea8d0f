"""Convolution layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer, Tensor, added_field

__all__ = ["Conv2D", "DepthwiseConv2D", "TransposedConv2D", "window_of"]

Array = NDArray[Any]


def window_of(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that a dilated kernel spans."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


@dataclass(frozen=True, eq=False)
class Conv2D(Layer):
    """Dense convolution; 1x1 with stride 1 is the pointwise case, on a 1x1 map the classifier.

    `weight` `[KH, KW, Cin, Cout]` float32, int8 or int16; `bias` `[Cout]` float32 or int32 (input
    zero point *not* folded in); `stride` (y, x); `padding` (top, left, bottom, right) in elements,
    filled with real zero; `clamp` in the output's stored values (floats may be infinite);
    `dilation` (y, x) from one tap to the next. With `groups`, Cin is a group's share: output
    channel `n` sees the input channels of its group alone (a depthwise convolution with a depth
    multiplier has as many groups as input channels).
    """

    weight: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    clamp: tuple[float, float]
    requantize: Requantize | None = None
    dilation: tuple[int, int] = added_field((1, 1))
    groups: int = added_field(1)

    @property
    def kernel(self) -> tuple[int, int]:
        """`(KH, KW)`."""
        return int(self.weight.shape[0]), int(self.weight.shape[1])

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last."""
        return window_of(self.kernel, self.dilation)

    @property
    def is_plain(self) -> bool:
        """Whether taps are neighbours and see all channels: what families have kernels for."""
        return self.dilation == (1, 1) and self.groups == 1

    @property
    def op(self) -> str:
        """`pointwise` for 1x1 with stride 1, no padding and no groups, else `conv2d`."""
        pointwise = self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.padding)
        return "pointwise" if pointwise and self.is_plain else "conv2d"

    @property
    def is_float_product(self) -> bool:
        """Whether weights are floats."""
        return self.requantize is None

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates, padding counted as the paper counts it."""
        return out.height * out.width * int(np.prod(self.weight.shape))


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Layer):
    """Depthwise convolution, multiplier 1. `weight` `[KH, KW, C]`; the rest as in `Conv2D`."""

    weight: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    clamp: tuple[float, float]
    requantize: Requantize | None = None
    dilation: tuple[int, int] = added_field((1, 1))

    @property
    def kernel(self) -> tuple[int, int]:
        """`(KH, KW)`."""
        return int(self.weight.shape[0]), int(self.weight.shape[1])

    @property
    def window(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last."""
        return window_of(self.kernel, self.dilation)

    @property
    def is_plain(self) -> bool:
        """Whether taps are neighbouring pixels: what families have kernels for."""
        return self.dilation == (1, 1)

    @property
    def op(self) -> str:
        """`depthwise`."""
        return "depthwise"

    @property
    def is_float_product(self) -> bool:
        """Whether weights are floats."""
        return self.requantize is None

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates, padding counted as the paper counts it."""
        return out.height * out.width * int(np.prod(self.weight.shape))


@dataclass(frozen=True, eq=False)
class TransposedConv2D(Layer):
    """Every pixel adds its window to the output, `stride` apart; the rest as in `Conv2D`.

    `padding` (top, left): so many rows and columns of what that makes are cut off in front; the
    output's own size says where it ends.
    """

    weight: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int]
    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """`(KH, KW)`."""
        return int(self.weight.shape[0]), int(self.weight.shape[1])

    @property
    def taps(self) -> tuple[int, int]:
        """Rows and columns of the input, at most, that one output pixel is made of."""
        (kh, kw), (sy, sx) = self.kernel, self.stride
        return -(-kh // sy), -(-kw // sx)

    @property
    def op(self) -> str:
        """`transposed`."""
        return "transposed"

    @property
    def is_float_product(self) -> bool:
        """Whether weights are floats."""
        return self.requantize is None

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates, on average over the pixels."""
        pixels = out.height * out.width // (self.stride[0] * self.stride[1])
        return pixels * int(np.prod(self.weight.shape))
