"""Small random networks: odd sizes, strides, kernels, channels, residuals over several layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.arithmetic.tflite import (
    ADD_LEFT_SHIFT,
    add_rescale,
    exp_table,
    mean_requantize,
)
from edgemnv2.model import QuantParams, TensorSpec
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.ops.validate import validate

HASTY_PLANNER: dict[str, Any] = {"CHAIN_TRIES": 2, "JOINT_TRIES": 3, "REFINE_FACTOR": 1}
"""Of `edgemnv2.memory.planner`: how long it searches changes the size of its plans, not whether
they are right."""


def random_graph(seed: int, *, integer: bool = True) -> Graph:
    """The network of this seed; it passes `validate`."""
    maker = _Maker(seed, integer)
    return maker.network()


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME, before and after: what is odd goes below and to the right."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    return total // 2, total - total // 2


class _Maker:
    def __init__(self, seed: int, integer: bool) -> None:
        self.seed = seed
        self.random = np.random.default_rng(seed)
        self.integer = integer
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []

    def number(self, low: int, high: int) -> int:
        """`low .. high`, both inclusive."""
        return int(self.random.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def quant(self) -> QuantParams | None:
        if not self.integer:
            return None
        zero_point = -128 if self.chance(0.4) else self.number(-40, 40)
        return QuantParams(float(np.float32(self.random.uniform(0.02, 0.06))), zero_point)

    def tensor(self, shape: tuple[int, int, int], quant: QuantParams | None) -> Tensor:
        made = Tensor(f"t{len(self.tensors)}", *shape, "int8" if self.integer else "float32", quant)
        self.tensors[made.name] = made
        return made

    def limits(self) -> tuple[float, float]:
        if self.integer:
            return (-128.0, 127.0) if self.chance(0.5) else (float(self.number(-100, -20)), 110.0)
        return (0.0, 6.0) if self.chance(0.5) else (-np.inf, np.inf)

    def name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"

    def convolution(self, x: Tensor, channels: int | None, kernel: int, stride: int) -> Tensor:
        """A dense convolution, or for `channels` None a depthwise one."""
        if kernel == 1:
            padding = (0, 0, 0, 0)
        elif self.chance(0.5):
            # PyTorch's: the same on all sides; sometimes none at all.
            side = kernel // 2 if min(x.height, x.width) < kernel or self.chance(0.8) else 0
            padding = (side, side, side, side)
        else:
            top, bottom = same_padding(x.height, kernel, stride)
            left, right = same_padding(x.width, kernel, stride)
            padding = (top, left, bottom, right)
        height = (x.height + padding[0] + padding[2] - kernel) // stride + 1
        width = (x.width + padding[1] + padding[3] - kernel) // stride + 1
        out_channels = x.channels if channels is None else channels
        depth = kernel * kernel * (1 if channels is None else x.channels)
        shape = (kernel, kernel, x.channels)
        shape = shape if channels is None else (*shape, out_channels)
        out = self.tensor((height, width, out_channels), self.quant())
        weight: Any
        factor: Requantize | None = None
        if self.integer:
            weight = self.random.integers(-127, 128, shape).astype(np.int8)
            bias = self.random.integers(-2000, 2000, out_channels).astype(np.int32)
            reals = self.random.uniform(0.3, 1.5, out_channels) / (90 * depth**0.5)
            factor = make_requantize(reals)
        else:
            weight = (self.random.standard_normal(shape) / depth**0.5).astype(np.float32)
            bias = self.random.standard_normal(out_channels).astype(np.float32)
        kind = DepthwiseConv2D if channels is None else Conv2D
        self.layers.append(
            kind(
                self.name("depthwise" if channels is None else f"conv{kernel}x"),
                (x.name,),
                out.name,
                weight,
                bias,
                (stride, stride),
                padding,
                self.limits(),
                factor,
            )
        )
        return out

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        out = self.tensor(a.shape, self.quant())
        pair = (a, b) if self.chance(0.5) else (b, a)
        rescale = None
        if self.integer:
            assert pair[0].quant and pair[1].quant and out.quant
            rescale = add_rescale(pair[0].quant, pair[1].quant, out.quant)
        self.layers.append(
            Add(
                self.name("add"),
                (pair[0].name, pair[1].name),
                out.name,
                (-128.0, 127.0) if self.integer else (-np.inf, np.inf),
                ADD_LEFT_SHIFT if self.integer else 0,
                rescale,
            )
        )
        return out

    def block(self, x: Tensor) -> Tensor:
        """An inverted residual, or part of one; residual where the shapes allow it, mostly."""
        y = x
        if self.chance(0.75):
            y = self.convolution(y, x.channels * self.number(1, 4), 1, 1)
        stride = 2 if self.chance(0.35) else 1
        y = self.convolution(y, None, 3 if self.chance(0.9) else 5, stride)
        channels = x.channels if self.chance(0.6) else self.number(1, 9)
        y = self.convolution(y, channels, 1, 1)
        if y.shape == x.shape and self.chance(0.8):
            y = self.add(x, y)
        return y

    def tail(self, x: Tensor) -> Tensor:
        if self.chance(0.5):
            x = self.convolution(x, self.number(1, 12), 1, 1)
        if self.chance(0.7):
            x = self.pool(x)
            if self.chance(0.7):
                x = self.convolution(x, self.number(2, 11), 1, 1)
            if self.chance(0.3):
                x = self.softmax(x)
        elif self.integer and self.chance(0.3):
            x = self.rescale(x)
        return x

    def pool(self, x: Tensor) -> Tensor:
        same = self.chance(0.5)
        out = self.tensor((1, 1, x.channels), x.quant if same else self.quant())
        factor = None
        if self.integer and not same:
            assert x.quant and out.quant
            factor = mean_requantize(x.quant, out.quant, x.height * x.width)
        limits = (-128.0, 127.0) if self.integer else (-np.inf, np.inf)
        self.layers.append(
            GlobalAveragePool(self.name("pool"), (x.name,), out.name, limits, factor)
        )
        return out

    def softmax(self, x: Tensor) -> Tensor:
        out = self.tensor(x.shape, QuantParams(1 / 256, -128) if self.integer else None)
        table = exp_table(x.quant.scale) if x.quant else None
        self.layers.append(Softmax(self.name("softmax"), (x.name,), out.name, table))
        return out

    def rescale(self, x: Tensor) -> Tensor:
        out = self.tensor(x.shape, self.quant())
        assert x.quant and out.quant
        factor = make_requantize([x.quant.scale / out.quant.scale])
        self.layers.append(
            Rescale(self.name("rescale"), (x.name,), out.name, factor, (-128.0, 127.0))
        )
        return out

    def network(self) -> Graph:
        shape = (self.number(1, 13), self.number(1, 11), self.number(1, 4))
        if self.integer and self.chance(0.1):
            # A float image, quantised by the network itself.
            x = Tensor("image", *shape, "float32")
            self.tensors["image"] = x
            y = self.tensor(shape, self.quant())
            self.layers.append(Quantize(self.name("quantize"), ("image",), y.name))
        else:
            x = y = self.tensor(shape, self.quant())
        if self.chance(0.6):
            y = self.convolution(y, self.number(2, 8), 3, 2 if self.chance(0.5) else 1)
        long_residual: Tensor | None = None
        for _ in range(self.number(1, 4)):
            before = y
            y = self.block(y)
            if long_residual is not None and long_residual.shape == y.shape and self.chance(0.5):
                # A residual around two blocks: what it starts from has three readers.
                y = self.add(long_residual, y)
            long_residual = before
        y = self.tail(y)
        if self.integer and self.chance(0.1):
            last = Tensor("real", *y.shape, "float32")
            self.tensors["real"] = last
            self.layers.append(Dequantize(self.name("dequantize"), (y.name,), "real"))
            y = last
        spec_in = TensorSpec(x.name, (1, *x.shape), x.dtype, "NHWC", x.quant)
        spec_out = TensorSpec(y.name, (1, *y.shape), y.dtype, "NHWC", y.quant)
        return validate(
            Graph(
                f"random{self.seed}",
                self.tensors,
                tuple(self.layers),
                (x.name,),
                (y.name,),
                (spec_in,),
                (spec_out,),
                f"seed {self.seed}",
            )
        )


def random_input(graph: Graph, seed: int) -> Any:
    """`[H, W, C]` of the graph's input type."""
    tensor = graph.tensors[graph.inputs[0]]
    random = np.random.default_rng(seed)
    if tensor.dtype == "float32":
        return random.uniform(-3, 3, tensor.shape).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    return random.integers(limits.min, limits.max + 1, tensor.shape).astype(tensor.dtype)
