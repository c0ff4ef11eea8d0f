"""The lowered network: a list of layers, each of them one kernel of ours.

`passes` turn a Relax `Model` into a `Graph`; everything after that (reference, streaming, memory,
code generation) reads this form only. Batch is 1 and is not stored: an activation is
`[height, width, channels]` (NHWC). Padding, bias, clamp and requantisation belong to their layer.

Integer layers follow TFLite's reference kernels to the bit: `acc = bias + sum((x - zx) * w)`,
then `Requantize`, `+ zy`, clamp. Weights of a uint8 model have their zero point already taken off
(hence int16); uint8 activations stay uint8 only at the ends of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.model import QuantParams, TensorSpec

__all__ = [
    "Add",
    "Conv2D",
    "DepthwiseConv2D",
    "Dequantize",
    "GlobalAveragePool",
    "Graph",
    "Layer",
    "Quantize",
    "Rescale",
    "Softmax",
    "Tensor",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Tensor:
    """One activation `[height, width, channels]`; `dtype` as NumPy spells it."""

    name: str
    height: int
    width: int
    channels: int
    dtype: str
    quant: QuantParams | None = None

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return np.dtype(self.dtype).itemsize

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, NHWC, without padding."""
        return self.width * self.channels * self.itemsize

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole activation, NHWC, without padding."""
        return self.height * self.row_bytes

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.height, self.width, self.channels


@dataclass(frozen=True, eq=False)
class Layer:
    """What all layers share: a name (`block3.expand`), tensor names in and out."""

    name: str
    inputs: tuple[str, ...]
    output: str

    @property
    def op(self) -> str:
        """The operator's name in reports, targets and tuning logs."""
        return type(self).__name__.lower()


@dataclass(frozen=True, eq=False)
class Conv2D(Layer):
    """Dense convolution; 1x1 with stride 1 is the pointwise case, on a 1x1 map the classifier.

    `weight` `[KH, KW, Cin, Cout]` float32, int8 or int16; `bias` `[Cout]` float32 or int32 (input
    zero point *not* folded in); `stride` (y, x); `padding` (top, left, bottom, right) in elements,
    filled with real zero; `clamp` in the output's stored values (floats may be infinite).
    """

    weight: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """`(KH, KW)`."""
        return int(self.weight.shape[0]), int(self.weight.shape[1])

    @property
    def op(self) -> str:
        """`pointwise` for 1x1 with stride 1 and no padding, else `conv2d`."""
        pointwise = self.kernel == (1, 1) and self.stride == (1, 1) and not any(self.padding)
        return "pointwise" if pointwise else "conv2d"


@dataclass(frozen=True, eq=False)
class DepthwiseConv2D(Layer):
    """Depthwise convolution, multiplier 1. `weight` `[KH, KW, C]`; the rest as in `Conv2D`."""

    weight: Array
    bias: Array
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def kernel(self) -> tuple[int, int]:
        """`(KH, KW)`."""
        return int(self.weight.shape[0]), int(self.weight.shape[1])

    @property
    def op(self) -> str:
        """`depthwise`."""
        return "depthwise"


@dataclass(frozen=True, eq=False)
class Add(Layer):
    """Elementwise sum of two activations of one shape (the residual).

    Integer: TFLite's ADD; each input, its zero point taken off, is shifted left by `left_shift`
    and rescaled by `rescale[0]` / `rescale[1]`, the sum by `rescale[2]` (each of one channel).
    Float: `left_shift` 0 and no `rescale`.
    """

    clamp: tuple[float, float]
    left_shift: int = 0
    rescale: tuple[Requantize, Requantize, Requantize] | None = None


@dataclass(frozen=True, eq=False)
class GlobalAveragePool(Layer):
    """Mean over height and width, `[H, W, C]` to `[1, 1, C]`.

    Float: sum / count. Integer with `requantize` (TFLite MEAN): `sum - count * zx`, requantised by
    a factor that has 1/count in it, `+ zy`. Integer without (TFLite AVERAGE_POOL_2D; same scale on
    both sides): the sum divided by count, halves away from zero.
    """

    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def op(self) -> str:
        """`pool`."""
        return "pool"


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """Softmax over channels at every pixel.

    Integer: TFLite's reference kernel; `exp_table` int32 `[256]` holds exp(-d * scale * beta) in
    Q0.31 for d = max - x, 0 where TFLite's `diff_min` cuts it off. Float: no table.
    """

    exp_table: Array | None = None


@dataclass(frozen=True, eq=False)
class Rescale(Layer):
    """Integer to integer of other quantisation (TFLite QUANTIZE on integers), elementwise."""

    requantize: Requantize
    clamp: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Quantize(Layer):
    """float32 to integer: `clamp(round(x / scale) + zero_point)`.

    `rounding` is "away" (TFLite: halves away from zero) or "even" (ONNX).
    """

    rounding: str = "away"


@dataclass(frozen=True, eq=False)
class Dequantize(Layer):
    """Integer to float32: `scale * (x - zero_point)` in float32."""


@dataclass(frozen=True, eq=False)
class Graph:
    """Layers in topological order, the tensors they exchange, and the source's view of the ends.

    `inputs` and `outputs` name tensors; `input_specs` and `output_specs` describe the same tensors
    as the source file has them (name, shape, layout).
    """

    name: str
    tensors: Mapping[str, Tensor]
    layers: tuple[Layer, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    input_specs: tuple[TensorSpec, ...]
    output_specs: tuple[TensorSpec, ...]
    source: str = ""
    sha256: str = ""

    def tensor_in(self, layer: Layer, index: int = 0) -> Tensor:
        """The `index`-th input tensor of `layer`."""
        return self.tensors[layer.inputs[index]]

    def tensor_out(self, layer: Layer) -> Tensor:
        """The output tensor of `layer`."""
        return self.tensors[layer.output]

    @property
    def is_integer(self) -> bool:
        """Whether every convolution is an integer one."""
        convolutions = [x for x in self.layers if isinstance(x, Conv2D | DepthwiseConv2D)]
        return bool(convolutions) and all(x.requantize is not None for x in convolutions)

    def macs(self, layer: Layer) -> int:
        """Multiply-accumulates of one layer, padding counted as the paper counts it."""
        out = self.tensor_out(layer)
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            per_pixel = int(np.prod(layer.weight.shape))
            return out.height * out.width * per_pixel
        return 0
