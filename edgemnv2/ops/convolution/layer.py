"""Convolution layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import BlockRole, Layer, Tensor, added_field

__all__ = ["Conv2D", "Convolution", "DepthwiseConv2D", "TransposedConv2D", "Weighted", "window_of"]

Array = NDArray[Any]


def window_of(kernel: tuple[int, int], dilation: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns that a dilated kernel spans."""
    return (kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1


@dataclass(frozen=True, eq=False)
class Convolution(Layer):
    """What dense and depthwise convolutions share.

    `weight` float32, int8 or int16, `[KH, KW, Cin, ...]`: the last axis is the output's channels;
    `bias` `[Cout]` float32 or int32 (input zero point *not* folded in); `stride` (y, x); `padding`
    (top, left, bottom, right) in elements, filled with real zero; `clamp` in the output's stored
    values (floats may be infinite); `dilation` (y, x) from one tap to the next.
    """

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
    def is_float_product(self) -> bool:
        """Whether weights are floats."""
        return self.requantize is None

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Weights and bias."""
        return self.weight, self.bias

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates, padding counted as the paper counts it."""
        return out.height * out.width * int(np.prod(self.weight.shape))

    def describe(self) -> dict[str, Any]:
        """Its window, the type of the weights and how it rounds."""
        factor = self.requantize
        # One rounding to even has the loops of two roundings: what was tuned for those serves it.
        rounding = "none" if factor is None else "single" if factor.single_rounding else "double"
        facts: dict[str, Any] = {
            "kernel": list(self.kernel),
            "stride": list(self.stride),
            "padding": list(self.padding),
            "weight_dtype": str(self.weight.dtype),
            "rounding": rounding,
        }
        if factor is None:
            facts["clamped"] = bool(np.isfinite(self.clamp).any())
        return facts


@dataclass(frozen=True, eq=False)
class Conv2D(Convolution):
    """Dense convolution; 1x1 with stride 1 is the pointwise case, on a 1x1 map the classifier.

    `weight` `[KH, KW, Cin, Cout]`. With `groups`, Cin is a group's share: output channel `n` sees
    the input channels of its group alone (a depthwise convolution with a depth multiplier has as
    many groups as input channels).
    """

    groups: int = added_field(1)

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
    def block_role(self) -> BlockRole:
        """Stem, expansion, projection, head or classifier."""
        return "dense"

    @property
    def mixes_channels(self) -> bool:
        """Those of a group, at least."""
        return True

    @property
    def is_pixelwise(self) -> bool:
        """The pointwise ones."""
        return self.op == "pointwise"

    def channel_part(self, first: int, count: int) -> Conv2D | None:
        """A stretch of the weights, biases and factors."""
        if self.groups != 1:
            return None
        part = slice(first, first + count)
        factor = self.requantize
        if factor is not None and len(factor.multiplier) > 1:
            factor = replace(
                factor,
                multiplier=factor.multiplier[part],
                shift=factor.shift[part],
                addend=None if factor.addend is None else factor.addend[part],
            )
        return replace(self, weight=self.weight[..., part], bias=self.bias[part], requantize=factor)


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Convolution):
    """Depthwise convolution, multiplier 1. `weight` `[KH, KW, C]`."""

    @property
    def op(self) -> str:
        """`depthwise`."""
        return "depthwise"

    @property
    def block_role(self) -> BlockRole:
        """The middle of a block."""
        return "depthwise"


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
    def is_plain(self) -> bool:
        """No family has a kernel for it."""
        return False

    @property
    def op(self) -> str:
        """`transposed`."""
        return "transposed"

    @property
    def is_float_product(self) -> bool:
        """Whether weights are floats."""
        return self.requantize is None

    @property
    def parameters(self) -> tuple[Array, ...]:
        """Weights and bias."""
        return self.weight, self.bias

    @property
    def mixes_channels(self) -> bool:
        """Every pixel's channels are summed."""
        return True

    def macs(self, out: Tensor) -> int:
        """Multiply-accumulates, on average over the pixels."""
        pixels = out.height * out.width // (self.stride[0] * self.stride[1])
        return pixels * int(np.prod(self.weight.shape))


Weighted = Convolution | TransposedConv2D
"""Layers with weights, `[KH, KW, Cin, Cout]` or depthwise `[KH, KW, C]`, that may be integers."""
