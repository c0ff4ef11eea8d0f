"""Networks with branches and seeded weights, float or int8, operator by operator.

What is written down here are nodes in TFLite's terms, as its converter would write them; they take
the way of every file (`frontend.supported`). Padding is TFLite's SAME. Weights and ranges are those
of `frontend.seeded`: moments are carried along, no input is ever run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend.architecture import KERNEL, Architecture, Bottleneck
from edgemnv2.frontend.seeded import (
    INPUT,
    INPUT_VARIANCE,
    POOLED_SHARE,
    LayerMaker,
    Moments,
    SeededLayer,
    range_of,
)
from edgemnv2.frontend.supported import build_flow
from edgemnv2.model import QuantParams, TensorSpec, layout_of
from edgemnv2.ops.model import Model
from edgemnv2.ops.source import SourceNode, SourceTensor

__all__ = ["SeededNet", "Value", "backbone"]

Array = NDArray[Any]
PROBABILITY = QuantParams(1.0 / 256.0, -128)
"""Of a LOGISTIC in int8: TFLite's kernel has no other."""


@dataclass(frozen=True, eq=False)
class Value:
    """An activation: its tensor, the moments of its channels, its int8 parameters."""

    tensor: SourceTensor
    moments: Moments
    quant: QuantParams

    @property
    def size(self) -> int:
        """Height, which is the width, too."""
        return self.tensor.shape[1]

    @property
    def channels(self) -> int:
        """Channels."""
        return self.tensor.shape[-1]


class SeededNet:
    """A network under construction."""

    def __init__(self, name: str, resolution: int, *, int8: bool, seed: int) -> None:
        self.name, self.int8, self.seed = name, int8, seed
        self.maker = LayerMaker(seed)
        self.nodes: list[SourceNode] = []
        colours = 3
        moments = Moments(np.zeros(colours), np.full(colours, INPUT_VARIANCE))
        tensor = self._tensor("input", (1, resolution, resolution, colours), INPUT)
        self.input = Value(tensor, moments, INPUT)

    # -- layers ----------------------------------------------------------------------------------

    def convolution(
        self,
        name: str,
        x: Value,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,
        relu6: bool = True,
        residual: Value | None = None,
    ) -> Value:
        """A dense convolution; `residual` is what its output is added to, if anything."""
        before = None if residual is None else residual.moments
        moments = self.maker.convolution(
            name, x.moments, channels, kernel=kernel, stride=stride, relu6=relu6, residual=before
        )
        layer = self.maker.layers[-1]
        y = self._convolved("CONV_2D", x, layer, dilation, moments)
        if residual is None:
            return y
        assert layer.after is not None
        tensor = self._tensor(f"{name}.add", y.tensor.shape, layer.after)
        self._add("ADD", [residual.tensor, y.tensor], tensor)
        return Value(tensor, moments, layer.after)

    def depthwise(self, name: str, x: Value, stride: int = 1, dilation: int = 1) -> Value:
        """A depthwise 3x3 with ReLU6."""
        moments = self.maker.depthwise(name, x.moments, stride)
        return self._convolved("DEPTHWISE_CONV_2D", x, self.maker.layers[-1], dilation, moments)

    def classifier(self, name: str, x: Value, classes: int) -> Value:
        """A pointwise convolution whose outputs have mean 0, and one range in every network."""
        self.maker.classifier(x.moments, classes, name)
        flat = Moments(np.zeros(classes), np.ones(classes))
        return self._convolved("CONV_2D", x, self.maker.layers[-1], 1, flat)

    def mean(self, name: str, x: Value) -> Value:
        """The mean of the map."""
        moments = Moments(x.moments.mean, x.moments.variance * POOLED_SHARE)
        quant = range_of(moments)
        tensor = self._tensor(name, (1, 1, 1, x.channels), quant)
        self._add("MEAN", [x.tensor, _constant(f"{name}.axes", [1, 2])], tensor, keep_dims=True)
        return Value(tensor, moments, quant)

    def resized(self, name: str, x: Value, size: int) -> Value:
        """Bilinear, corners on corners."""
        tensor = self._tensor(name, (1, size, size, x.channels), x.quant)
        sizes = _constant(f"{name}.size", [size, size])
        self._add("RESIZE_BILINEAR", [x.tensor, sizes], tensor, align_corners=True)
        return Value(tensor, x.moments, x.quant)

    def concatenated(self, name: str, parts: Sequence[Value], axis: int) -> Value:
        """Values of one range behind one another."""
        first = parts[0]
        assert all(x.quant == first.quant for x in parts), f"{name}: several ranges"
        shape = list(first.tensor.shape)
        shape[axis] = sum(x.tensor.shape[axis] for x in parts)
        tensor = self._tensor(name, tuple(shape), first.quant)
        self._add("CONCATENATION", [x.tensor for x in parts], tensor, axis=axis)
        moments = first.moments
        if axis == len(shape) - 1:
            means = [x.moments.mean for x in parts]
            variances = [x.moments.variance for x in parts]
            moments = Moments(np.concatenate(means), np.concatenate(variances))
        return Value(tensor, moments, first.quant)

    def reshaped(self, name: str, x: Value, shape: tuple[int, ...]) -> Value:
        """The same elements in another shape."""
        tensor = self._tensor(name, shape, x.quant)
        self._add("RESHAPE", [x.tensor, _constant(f"{name}.shape", list(shape))], tensor)
        return Value(tensor, x.moments, x.quant)

    def logistic(self, name: str, x: Value) -> Value:
        """Probabilities."""
        tensor = self._tensor(name, x.tensor.shape, PROBABILITY)
        self._add("LOGISTIC", [x.tensor], tensor)
        return Value(tensor, x.moments, PROBABILITY)

    def arg_max(self, name: str, x: Value) -> Value:
        """The number of the largest channel, int32."""
        tensor = SourceTensor(name, x.tensor.shape[:-1], "int32")
        self._add("ARG_MAX", [x.tensor, _constant(f"{name}.axis", [-1])], tensor)
        return Value(tensor, x.moments, x.quant)

    # -- the network -----------------------------------------------------------------------------

    def model(self, *outputs: Value) -> Model:
        """The finished network."""
        tensors = [x.tensor for x in outputs]
        flow = build_flow(self.nodes, [self.input.tensor], tensors, self.name, "tflite")
        text = f"{self.name} seed={self.seed}"
        return Model(
            name=self.name,
            flow=flow,
            inputs=(_spec(self.input.tensor),),
            outputs=tuple(_spec(x) for x in tensors),
            source=self.name,
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            format="tflite",
        )

    def _tensor(self, name: str, shape: tuple[int, ...], quant: QuantParams) -> SourceTensor:
        if not self.int8:
            return SourceTensor(name, shape, "float32")
        scale = np.array([quant.scale], np.float32)
        return SourceTensor(name, shape, "int8", None, scale, np.array([quant.zero_point]))

    def _add(
        self, operator: str, inputs: list[SourceTensor], output: SourceTensor, **attrs: Any
    ) -> None:
        self.nodes.append(
            SourceNode(operator, f"layer {output.name!r}", tuple(inputs), (output,), attrs)
        )

    def _convolved(
        self, operator: str, x: Value, layer: SeededLayer, dilation: int, moments: Moments
    ) -> Value:
        size = -(-x.size // layer.stride)
        channels = layer.bias.size
        y = self._tensor(layer.name, (1, size, size, channels), layer.quant)
        axes = (0, 1, 2) if layer.depthwise else (3, 0, 1, 2)
        integers = np.ascontiguousarray(layer.integers.transpose(axes))
        weight = layer.weight.transpose(axes)
        if layer.depthwise:
            integers, weight = integers[np.newaxis], weight[np.newaxis]
        bias: Array = layer.bias
        scales: tuple[Any, Any] = (None, None)
        if self.int8:
            step = np.float32(x.quant.scale) * layer.scale
            bias = np.rint(layer.bias.astype(np.float64) / step.astype(np.float64))
            bias, weight, scales = bias.astype(np.int32), integers, (layer.scale, step)
        zeros = np.zeros(channels, np.int64)
        constants = [
            SourceTensor(
                f"{layer.name}.{what}",
                values.shape,
                str(values.dtype),
                values,
                scale,
                None if scale is None else zeros,
            )
            for what, values, scale in zip(
                ("weight", "bias"), (np.asarray(weight), bias), scales, strict=True
            )
        ]
        self._add(
            operator,
            [x.tensor, *constants],
            y,
            padding="SAME",
            stride_h=layer.stride,
            stride_w=layer.stride,
            dilation_h_factor=dilation,
            dilation_w_factor=dilation,
            fused_activation_function="RELU6" if layer.relu6 else "NONE",
        )
        return Value(y, moments, layer.quant)


def _constant(name: str, values: list[int]) -> SourceTensor:
    array = np.array(values, np.int32)
    return SourceTensor(name, array.shape, "int32", array)


def _spec(tensor: SourceTensor) -> TensorSpec:
    layout = layout_of(tensor.shape, "NHWC")
    return TensorSpec(tensor.name, tensor.shape, tensor.dtype, layout, tensor.quant)


def backbone(net: SeededNet, network: Architecture, output_stride: int = 32) -> dict[str, Value]:
    """MobileNetV2 without its head: every block's output and expansion by name, `block13.expand`.

    Where the map has been divided by `output_stride` already, strides become dilations of what
    follows (Chen et al., arXiv 1706.05587), so that every layer sees what it saw.
    """
    values: dict[str, Value] = {}
    x = net.convolution("stem", net.input, network.stem_channels, kernel=KERNEL, stride=2)
    stride, dilation = 2, 1
    for block in network.blocks:
        rate = dilation
        if stride == output_stride and block.stride > 1:
            dilation *= block.stride
            block = replace(block, stride=1)
        stride *= block.stride
        x = _bottleneck(net, x, block, rate, values)
        values[f"block{block.index}"] = x
    return values


def _bottleneck(
    net: SeededNet, x: Value, block: Bottleneck, dilation: int, values: dict[str, Value]
) -> Value:
    name, before = f"block{block.index}", x
    if block.has_expand:
        x = net.convolution(f"{name}.expand", x, block.expanded_channels)
        values[f"{name}.expand"] = x
    x = net.depthwise(f"{name}.depthwise", x, block.stride, dilation)
    # A stride that became a dilation leaves a block without its shortcut, as it was.
    shortcut = block.stride == 1 and block.input_channels == block.output_channels
    return net.convolution(
        f"{name}.project",
        x,
        block.output_channels,
        relu6=False,
        residual=before if shortcut else None,
    )
