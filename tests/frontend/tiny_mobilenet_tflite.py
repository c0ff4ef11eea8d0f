"""A small quantised MobileNetV2 as a TFLite file, with the variants that converters write."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tests.frontend.tiny_tflite import TinyTflite

CLASSES = 5
SAME, VALID = 0, 1
NONE, RELU, RELU6 = 0, 1, 3


@dataclass
class TinyMobilenet:
    """Options of the converter; `build` gives the file. Weights and scales are seeded."""

    dtype: str = "int8"
    per_channel: bool = True
    pad: bool = False
    transpose: bool = False
    pool: str = "mean"  # mean | mean_same_scale | average | none
    head: str = "fully_connected"  # | fully_connected_per_channel | conv | fully_connected_flat
    softmax: bool = True
    size: int = 16
    quantize_input: bool = False
    quantize_output: bool = False
    activation: int = RELU6
    relu6_scale: float = 6 / 255
    file: TinyTflite = field(default_factory=TinyTflite)
    seed: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.zero = {"int8": -128, "uint8": 0, "float32": 0}[self.dtype]

    def activations(
        self, name: str, shape: tuple[int, ...], scale: float, zero: int | None = None
    ) -> int:
        zero_point = self.zero if zero is None else zero
        if self.dtype == "float32":
            return self.file.tensor(name, shape)
        return self.file.tensor(name, shape, self.dtype, scale=scale, zero_point=zero_point)

    def linear_zero(self) -> int:
        return int(self.random.integers(-20, 20)) + (128 if self.dtype == "uint8" else 0)

    def scale_of(self, tensor: int) -> float:
        scale = self.file.tensors[tensor].scale
        return 1.0 if scale is None else float(scale[0])

    def zero_of(self, tensor: int) -> int:
        zero = self.file.tensors[tensor].zero_point
        return 0 if zero is None else int(zero[0])

    def weights(self, name: str, shape: tuple[int, ...], axis: int, x: int) -> list[int]:
        """Weight and bias tensors; the classifier's are small, so that logits do not saturate."""
        outer = shape[axis]
        depth = int(np.prod(shape)) // outer
        per_channel = self.per_channel and self.dtype == "int8"
        if self.dtype == "float32":
            values = self.random.normal(0, (2 / depth) ** 0.5, shape).astype(np.float32)
            bias = self.random.normal(0, 0.3, outer).astype(np.float32)
            return [self.file.constant(f"{name}.w", values), self.file.constant(f"{name}.b", bias)]
        gain = 0.003 if outer == CLASSES else 0.02
        scale = gain * (16 / depth) ** 0.5
        scale = scale * self.random.uniform(0.5, 1.5, outer if per_channel else 1)
        scale = scale.astype(np.float32)
        if self.dtype == "uint8":
            zero = int(self.random.integers(100, 150))
            values = self.random.integers(0, 256, shape).astype(np.uint8)
        else:
            zero, values = 0, self.random.integers(-127, 128, shape).astype(np.int8)
        weight = self.file.constant(
            f"{name}.w", values, scale=scale, zero_point=zero, axis=axis if per_channel else 0
        )
        step = np.float32(self.scale_of(x)) * scale
        bias = self.random.normal(0, 0.5, outer) / step
        return [
            weight,
            self.file.constant(f"{name}.b", bias.astype(np.int32), scale=step),
        ]

    def conv(
        self,
        x: int,
        name: str,
        outer: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        linear: bool = False,
    ) -> int:
        _, height, width, inner = self.file.tensors[x].shape
        padding = SAME if kernel > 1 else VALID
        if self.pad and kernel > 1 and stride == 2:
            paddings = self.file.constant(
                f"{name}.paddings", np.array([[0, 0], [0, 1], [0, 1], [0, 0]], np.int32)
            )
            scale, zero = self.scale_of(x), self.zero_of(x)
            padded = self.activations(f"{name}.pad", (1, height + 1, width + 1, inner), scale, zero)
            x = self.file.operator("PAD", [x, paddings], padded, "PadOptions")
            padding = VALID
        shape = (1, kernel, kernel, inner) if depthwise else (outer, kernel, kernel, inner)
        operands = [x, *self.weights(name, shape, 3 if depthwise else 0, x)]
        scale = 0.05 if linear else self.relu6_scale
        zero = self.linear_zero() if linear else None
        out = (1, -(-height // stride), -(-width // stride), outer)
        y = self.activations(name, out, scale, zero)
        common = {
            "StrideW": stride,
            "StrideH": stride,
            "Padding": padding,
            "FusedActivationFunction": NONE if linear else self.activation,
        }
        if depthwise:
            return self.file.operator(
                "DEPTHWISE_CONV_2D",
                operands,
                y,
                "DepthwiseConv2DOptions",
                DepthMultiplier=1,
                **common,
            )
        return self.file.operator("CONV_2D", operands, y, "Conv2DOptions", **common)

    def block(self, x: int, name: str, middle: int, outer: int, stride: int) -> int:
        y = self.conv(x, f"{name}.expand", middle)
        y = self.conv(y, f"{name}.dw", middle, kernel=3, stride=stride, depthwise=True)
        y = self.conv(y, f"{name}.project", outer, linear=True)
        if self.file.tensors[x].shape != self.file.tensors[y].shape:
            return y
        out = self.activations(f"{name}.add", self.file.tensors[y].shape, 0.08, self.linear_zero())
        return self.file.operator("ADD", [x, y], out, "AddOptions")

    def build(self) -> bytes:
        shape = (1, self.size, self.size, 3)
        source, x = self.ends(shape)
        x = self.conv(x, "stem", 8, kernel=3, stride=2)
        x = self.block(x, "b1", 24, 8, 2)
        x = self.block(x, "b2", 30, 8, 1)
        x = self.conv(x, "head", 16)
        y = self.classifier(self.pooled(x))
        if self.softmax:
            out = self.activations("scores", self.file.tensors[y].shape, 1 / 256)
            y = self.file.operator("SOFTMAX", [y], out, "SoftmaxOptions", Beta=1.0)
        if self.quantize_output:
            other = {"int8": "uint8", "uint8": "int8"}[self.dtype]
            moved = self.zero_of(y) + (128 if other == "uint8" else -128)
            out = self.file.tensor(
                "out", self.file.tensors[y].shape, other, scale=self.scale_of(y), zero_point=moved
            )
            y = self.file.operator("QUANTIZE", [y], out, "QuantizeOptions")
        return self.file.build([source], [y])

    def ends(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """The graph's input, and what the stem reads of it."""
        zero = self.zero + 128
        if self.transpose:
            source = self.activations("image", (1, 3, self.size, self.size), 1 / 128, zero)
            order = self.file.constant("order", np.array([0, 2, 3, 1], np.int32))
            x = self.activations("nhwc", shape, 1 / 128, zero)
            return source, self.file.operator("TRANSPOSE", [source, order], x, "TransposeOptions")
        if self.quantize_input:
            other = {"int8": "uint8", "uint8": "int8"}[self.dtype]
            zero = 128 if other == "uint8" else 0
            source = self.file.tensor("image", shape, other, scale=1 / 128, zero_point=zero)
            x = self.activations("inner", shape, 1 / 128, self.zero + 128)
            return source, self.file.operator("QUANTIZE", [source], x, "QuantizeOptions")
        x = self.activations("image", shape, 1 / 128, zero)
        return x, x

    def pooled(self, x: int) -> int:
        _, height, width, channels = self.file.tensors[x].shape
        if self.pool == "none":
            return x
        scale = self.relu6_scale if self.pool in ("average", "mean_same_scale") else 0.015
        y = self.activations("pool", (1, 1, 1, channels), scale)
        if self.pool == "average":
            return self.file.operator(
                "AVERAGE_POOL_2D",
                [x],
                y,
                "Pool2DOptions",
                Padding=VALID,
                StrideW=1,
                StrideH=1,
                FilterWidth=width,
                FilterHeight=height,
            )
        axes = self.file.constant("axes", np.array([1, 2], np.int32))
        return self.file.operator("MEAN", [x, axes], y, "ReducerOptions", KeepDims=True)

    def classifier(self, x: int) -> int:
        """Logits `[1, 5]` (`[1, H, W, 5]` for a convolution over a map)."""
        _, height, width, channels = self.file.tensors[x].shape
        if self.head == "conv":
            y = self.conv(x, "logits", CLASSES, linear=True)
            if height * width > 1:
                return y
            return self.reshape(y, (1, CLASSES), "flat")
        features = height * width * channels
        x = self.reshape(x, (1, features), "flat")
        per_channel, self.per_channel = self.per_channel, self.head.endswith("per_channel")
        operands = [x, *self.weights("fc", (CLASSES, features), 0, x)]
        self.per_channel = per_channel
        y = self.activations("logits", (1, CLASSES), 0.05, self.linear_zero())
        return self.file.operator("FULLY_CONNECTED", operands, y, "FullyConnectedOptions")

    def reshape(self, x: int, shape: tuple[int, ...], name: str) -> int:
        target = self.file.constant(f"{name}.shape", np.array(shape, np.int32))
        y = self.activations(name, shape, self.scale_of(x), self.zero_of(x))
        return self.file.operator("RESHAPE", [x, target], y, "ReshapeOptions")
