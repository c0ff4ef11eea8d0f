"""TFLite files as converters write them: floats with seeded weights, and their quantised forms.

A network is described once. `float_file` writes it in float32; `quantised_file` takes the ranges
that LiteRT's own float kernels have on given pictures, and writes uint8 (one scale a weight, as
TensorFlow 1 did) or int8 (one scale a channel, as TensorFlow 2 does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.networks.tflite_net import TfliteNet

__all__ = ["NONE", "FieldNet", "Value", "half_constant", "mobilenet_v2"]

Array = NDArray[Any]
Ends = Callable[[TfliteNet, list[int]], list[int]]
NONE, RELU, RELU6 = 0, 1, 3
INDEX_TYPES = {"int32": 2, "int64": 4}
"""TFLite's numbers of types."""
PROBABILITIES = ("LOGISTIC", "SOFTMAX")
SAME_SCALE = (
    "AVERAGE_POOL_2D", "BATCH_TO_SPACE_ND", "CONCATENATION", "MAX_POOL_2D", "PACK", "PAD",
    "RESHAPE", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SPACE_TO_BATCH_ND",
    "SQUEEZE", "STRIDED_SLICE", "TRANSPOSE",
)  # fmt: skip
"""Operators whose operands and output have one scale."""


@dataclass(frozen=True)
class Value:
    """A tensor of the description: its number and shape."""

    number: int
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[-1]


@dataclass
class _Step:
    operator: str
    inputs: list[int]
    outputs: list[int]
    options: str
    fields: dict[str, Any]
    weights: tuple[Array, ...] = ()
    """Filter and bias, float32."""
    constants: tuple[Array, ...] = ()
    """Operands behind the inputs that are written as they are."""
    channel_axis: int = 0
    """Of the filter."""
    constants_first: bool = False


@dataclass
class FieldNet:
    """A network under construction."""

    seed: int
    open_batch: bool = False
    """The batch is not known, as Keras leaves it."""
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    indices: dict[int, str] = field(default_factory=dict)
    """Types of tensors that hold the number of a class."""
    inputs: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    # -- description -----------------------------------------------------------------------------

    def value(self, shape: Sequence[int]) -> Value:
        self.shapes.append(tuple(int(x) for x in shape))
        return Value(len(self.shapes) - 1, self.shapes[-1])

    def input(self, *shape: int) -> Value:
        made = self.value(shape)
        self.inputs.append(made.number)
        return made

    def give(self, *values: Value) -> None:
        """These are the outputs."""
        self.outputs = [x.number for x in values]

    def step(
        self,
        operator: str,
        operands: Sequence[Value],
        shape: Sequence[int],
        options: str = "",
        *,
        weights: tuple[Array, ...] = (),
        constants: tuple[Array, ...] = (),
        channel_axis: int = 0,
        constants_first: bool = False,
        **fields: Any,
    ) -> Value:
        """Any operator."""
        out = self.value(shape)
        numbers = [x.number for x in operands]
        self.steps.append(
            _Step(
                operator, numbers, [out.number], options, fields, weights, constants,
                channel_axis, constants_first,
            )
        )  # fmt: skip
        return out

    def _drawn(self, shape: Sequence[int], depth: int) -> Array:
        made = self.random.normal(size=tuple(shape)) * np.sqrt(1.6 / depth)
        return np.asarray(made, np.float32)

    def convolution(
        self,
        x: Value,
        channels: int,
        kernel: int = 1,
        stride: int = 1,
        activation: int = RELU6,
        dilation: int = 1,
        bias: float = 0.0,
        gain: float = 1.0,
    ) -> Value:
        """CONV_2D, padding SAME."""
        depth = kernel * kernel * x.channels
        weight = self._drawn((channels, kernel, kernel, x.channels), depth) * np.float32(gain)
        drawn = bias + self.random.normal(size=channels) * 0.1
        return self._windowed(
            "CONV_2D", "Conv2DOptions", x, channels, stride, dilation, activation,
            (weight, drawn.astype(np.float32)),
        )  # fmt: skip

    def depthwise(
        self, x: Value, stride: int = 1, dilation: int = 1, activation: int = RELU6
    ) -> Value:
        """DEPTHWISE_CONV_2D of 3x3, padding SAME."""
        weight = self._drawn((1, 3, 3, x.channels), 5)
        bias = (self.random.normal(size=x.channels) * 0.1).astype(np.float32)
        return self._windowed(
            "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", x, x.channels, stride, dilation,
            activation, (weight, bias), channel_axis=3, depth_multiplier=1,
        )  # fmt: skip

    def _windowed(
        self,
        operator: str,
        options: str,
        x: Value,
        channels: int,
        stride: int,
        dilation: int,
        activation: int,
        weights: tuple[Array, ...],
        channel_axis: int = 0,
        **more: Any,
    ) -> Value:
        _, height, width, _ = x.shape
        return self.step(
            operator, [x], (1, -(-height // stride), -(-width // stride), channels), options,
            weights=weights, channel_axis=channel_axis, padding=0, stride_w=stride,
            stride_h=stride, dilation_w_factor=dilation, dilation_h_factor=dilation,
            fused_activation_function=activation, **more,
        )  # fmt: skip

    def transposed(self, x: Value, channels: int, kernel: int = 3, stride: int = 2) -> Value:
        """TRANSPOSE_CONV, padding SAME; its first operand is the output's shape."""
        _, height, width, inner = x.shape
        shape = (1, height * stride, width * stride, channels)
        weight = self._drawn((channels, kernel, kernel, inner), 2 * inner)
        return self.step(
            "TRANSPOSE_CONV", [x], shape, "TransposeConvOptions", weights=(weight,),
            constants=(np.array(shape, np.int32),), constants_first=True,
            padding=0, stride_w=stride, stride_h=stride,
        )  # fmt: skip

    def add(self, a: Value, b: Value) -> Value:
        return self.step("ADD", [a, b], a.shape, "AddOptions", fused_activation_function=NONE)

    def activated(self, x: Value, operator: str = "RELU") -> Value:
        return self.step(operator, [x], x.shape)

    def probabilities(self, x: Value, operator: str = "LOGISTIC") -> Value:
        if operator == "SOFTMAX":
            return self.step(operator, [x], x.shape, "SoftmaxOptions", beta=1.0)
        return self.step(operator, [x], x.shape)

    def reshaped(self, x: Value, *shape: int) -> Value:
        """RESHAPE; one extent may be -1."""
        known = -int(np.prod(shape)) if -1 in shape else 1
        size = int(np.prod(x.shape))
        whole = tuple(size // known if n == -1 else n for n in shape)
        return self.step("RESHAPE", [x], whole, constants=(np.array(whole, np.int32),))

    def squeezed(self, x: Value, axis: int) -> Value:
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        return self.step("SQUEEZE", [x], shape, "SqueezeOptions", squeeze_dims=[axis])

    def joined(self, values: Sequence[Value], axis: int) -> Value:
        shape = list(values[0].shape)
        shape[axis] = sum(x.shape[axis] for x in values)
        return self.step(
            "CONCATENATION", values, shape, "ConcatenationOptions", axis=axis,
            fused_activation_function=NONE,
        )  # fmt: skip

    def packed(self, values: Sequence[Value], axis: int) -> Value:
        shape = list(values[0].shape)
        shape.insert(axis, len(values))
        return self.step("PACK", values, shape, "PackOptions", axis=axis, values_count=len(values))

    def resized(self, x: Value, size: int, *, nearest: bool = False, **how: Any) -> Value:
        operator = "RESIZE_NEAREST_NEIGHBOR" if nearest else "RESIZE_BILINEAR"
        options = "ResizeNearestNeighborOptions" if nearest else "ResizeBilinearOptions"
        return self.step(
            operator, [x], (1, size, size, x.channels), options,
            constants=(np.array([size, size], np.int32),), **how,
        )  # fmt: skip

    def mean(self, x: Value) -> Value:
        """The mean of a map, whose axes stay."""
        return self.step(
            "MEAN", [x], (1, 1, 1, x.channels), "ReducerOptions", keep_dims=True,
            constants=(np.array([1, 2], np.int32),),
        )  # fmt: skip

    def pooled(self, x: Value) -> Value:
        """AVERAGE_POOL_2D of the whole map, as TensorFlow 1 writes it."""
        _, height, width, channels = x.shape
        return self.step(
            "AVERAGE_POOL_2D", [x], (1, 1, 1, channels), "Pool2DOptions", padding=1, stride_w=1,
            stride_h=1, filter_width=width, filter_height=height,
            fused_activation_function=NONE,
        )  # fmt: skip

    def largest(self, x: Value, dtype: str = "int64") -> Value:
        """ARG_MAX over the channels."""
        out = self.step(
            "ARG_MAX", [x], x.shape[:-1], "ArgMaxOptions",
            output_type=INDEX_TYPES[dtype], constants=(np.array(len(x.shape) - 1, np.int32),),
        )  # fmt: skip
        self.indices[out.number] = dtype
        return out

    def scaled(self, x: Value, operator: str, by: float) -> Value:
        """MUL, SUB or ADD of a constant; of floats only."""
        return self.step(
            operator, [x], x.shape, f"{operator.capitalize()}Options",
            constants=(np.array([by], np.float32),), fused_activation_function=NONE,
        )  # fmt: skip

    # -- files -----------------------------------------------------------------------------------

    def float_file(self, ends: Ends | None = None, *, half: bool = False) -> bytes:
        """In float32. `ends` adds what comes behind the outputs, and says what they are then.

        `half` stores weights in float16, each behind a DEQUANTIZE.
        """
        return self._written("float32", {}, ends, half=half)

    def quantised_file(
        self,
        dtype: str,
        pictures: Sequence[Array],
        ends: Ends | None = None,
        *,
        bytes_in: bool = False,
    ) -> bytes:
        """In uint8 or int8, with the ranges of these inputs.

        `bytes_in`: the input of an int8 network is uint8, and a QUANTIZE follows it.
        """
        return self._written(dtype, self._ranges(pictures), ends, bytes_in=bytes_in)

    def _ranges(self, pictures: Sequence[Array]) -> dict[int, tuple[float, float]]:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=self.float_file(),
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        places = {x["name"]: x["index"] for x in interpreter.get_tensor_details() if "name" in x}
        found = dict.fromkeys(range(len(self.shapes)), (0.0, 0.0))
        for picture in pictures:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
            interpreter.invoke()
            for number, (low, high) in found.items():
                seen = interpreter.get_tensor(places[f"value{number}"])
                found[number] = min(low, float(seen.min())), max(high, float(seen.max()))
        return self._tied(found)

    def _tied(self, found: dict[int, tuple[float, float]]) -> dict[int, tuple[float, float]]:
        """Tensors that have one scale have the union of their ranges; probabilities 0 to 1."""
        group = list(range(len(self.shapes)))

        def root(number: int) -> int:
            while group[number] != number:
                number = group[number]
            return number

        for step in self.steps:
            if step.operator in SAME_SCALE:
                for number in step.inputs:
                    group[root(number)] = root(step.outputs[0])
        made = {step.outputs[0]: step.operator for step in self.steps}
        ranges: dict[int, tuple[float, float]] = {}
        for number, (low, high) in found.items():
            if made.get(number) in PROBABILITIES:
                low, high = 0.0, 255 / 256
            before = ranges.get(root(number), (0.0, 0.0))
            ranges[root(number)] = min(before[0], low), max(before[1], high)
        certain = {root(n) for n, operator in made.items() if operator in PROBABILITIES}
        ranges |= dict.fromkeys(certain, (0.0, 255 / 256))
        return {number: ranges[root(number)] for number in found}

    def _written(
        self,
        dtype: str,
        ranges: dict[int, tuple[float, float]],
        ends: Ends | None,
        *,
        half: bool = False,
        bytes_in: bool = False,
    ) -> bytes:
        net = TfliteNet()
        numbers = []
        for number, shape in enumerate(self.shapes):
            kind = self.indices.get(number, dtype)
            quant = _affine(dtype, *ranges[number]) if ranges and kind == dtype else {}
            signature = (-1, *shape[1:]) if self.open_batch else None
            name = f"value{number}"
            numbers.append(net.tensor(shape, kind, **quant, name=name, signature=signature))
        given = [numbers[n] for n in self.inputs]
        if bytes_in:
            given = [_byte_input(net, number) for number in given]
        for step in self.steps:
            operands = [numbers[n] for n in step.inputs]
            constants = [net.constant(x) for x in step.constants]
            if step.operator == "TRANSPOSE_CONV" and self.open_batch:
                constants = [_computed_shape(net, operands[0], self.shapes[step.outputs[0]])]
            weights = self._weights(net, step, numbers, dtype, half)
            if step.constants_first:
                operands = [*constants, *weights, *operands]
            else:
                operands = [*operands, *weights, *constants]
            outputs = [numbers[n] for n in step.outputs]
            net.add(step.operator, operands, outputs, step.options, **step.fields)
        taken = [numbers[n] for n in self.outputs]
        return net.build(given, taken if ends is None else ends(net, taken))

    def _weights(
        self, net: TfliteNet, step: _Step, numbers: list[int], dtype: str, half: bool
    ) -> list[int]:
        if not step.weights:
            return []
        weight, *bias = step.weights
        if half:
            return [half_constant(net, x) for x in step.weights]
        if dtype == "float32":
            return [net.constant(x) for x in step.weights]
        if dtype == "uint8":
            quant = _affine("uint8", min(0.0, float(weight.min())), float(weight.max()))
            scale, zero = quant["scale"], quant["zero_point"]
            stored = np.clip(np.round(weight / scale) + zero, 0, 255).astype(np.uint8)
            made = [net.constant(stored, **quant)]
            scales = np.array([scale])
        else:
            axis = step.channel_axis
            others = tuple(i for i in range(4) if i != axis)
            scales = np.maximum(np.abs(weight).max(axis=others), 1e-6) / 127
            shape = [1] * 4
            shape[axis] = -1
            stored = np.clip(np.round(weight / scales.reshape(shape)), -127, 127)
            made = [net.constant(stored.astype(np.int8), scale=scales, axis=axis)]
        if bias:
            product = net.tensors[numbers[step.inputs[0]]].scale * scales
            made.append(net.constant(np.round(bias[0] / product).astype(np.int32), scale=product))
        return made


def half_constant(net: TfliteNet, values: Array) -> int:
    """A constant in float16 behind a DEQUANTIZE."""
    real = net.tensor(values.shape)
    net.add("DEQUANTIZE", [net.constant(values.astype(np.float16))], [real])
    return real


def _byte_input(net: TfliteNet, number: int) -> int:
    """A uint8 input whose QUANTIZE makes the int8 tensor `number`."""
    inner = net.tensors[number]
    outer = net.tensor(inner.shape, "uint8", inner.scale, inner.zero_point + 128)
    net.add("QUANTIZE", [outer], [number])
    return outer


def _computed_shape(net: TfliteNet, source: int, shape: tuple[int, ...]) -> int:
    """The shape of an output, whose batch is that of `source`, as Keras writes it."""
    whole, batch = net.tensor((4,), "int32"), net.tensor((), "int32")
    net.add("SHAPE", [source], [whole], "ShapeOptions", out_type=2)
    bounds = [net.constant(np.array([x], np.int32)) for x in (0, 1, 1)]
    net.add("STRIDED_SLICE", [whole, *bounds], [batch], "StridedSliceOptions", shrink_axis_mask=1)
    packed = net.tensor((4,), "int32")
    extents = [net.constant(np.array(x, np.int32)) for x in shape[1:]]
    return net.add(
        "PACK", [batch, *extents], [packed], "PackOptions", axis=0, values_count=len(shape)
    )


def _affine(dtype: str, low: float, high: float) -> dict[str, Any]:
    """Scale and zero point of a range, zero being a stored value."""
    limits = np.iinfo(dtype)
    scale = max(high - low, 1e-6) / 255
    zero = int(np.clip(round(limits.min - low / scale), limits.min, limits.max))
    return {"scale": float(np.float32(scale)), "zero_point": zero}


# Expansion, channels, repeats, stride: Sandler et al., arXiv 1801.04381, table 2.
BLOCKS = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


def mobilenet_v2(
    net: FieldNet, x: Value, width: float = 0.25, stride: int = 32, last: int = 7
) -> dict[str, Value]:
    """The first `last` groups of the network without its head.

    Gives the outputs by name: "block3" of the third group, "expand3" of the expansion that opens
    it. Beyond output `stride` strides become dilations.
    """
    found: dict[str, Value] = {}
    x = net.convolution(x, _whole(32 * width), 3, stride=2)
    reached, dilation = 2, 1
    for group, (expansion, channels, repeats, step) in enumerate(BLOCKS[:last], start=1):
        for repeat in range(repeats):
            taken = step if repeat == 0 else 1
            before = dilation
            if taken == 2 and reached >= stride:
                taken, dilation = 1, dilation * 2
            reached *= taken
            y = x
            if expansion > 1:
                y = net.convolution(y, y.channels * expansion)
            if repeat == 0:
                found[f"expand{group}"] = y
            y = net.depthwise(y, taken, before)
            y = net.convolution(y, _whole(channels * width), activation=NONE)
            x = net.add(x, y) if repeat else y
        found[f"block{group}"] = x
    return found


def _whole(channels: float) -> int:
    return max(8, int(channels + 4) // 8 * 8)
