"""A `Graph` as a TFLite file: float32, or int8 with one scale per output channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import UsageError
from edgemnv2.export.quantities import activation_of, weight_scales
from edgemnv2.export.tflite_writer import TfliteWriter
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.rescale.layer import Rescale
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["tflite_file"]

Array = NDArray[Any]
# schema.fbs: Padding, ActivationFunctionType.
SAME, VALID = 0, 1
_ACTIVATIONS = {"none": 0, "relu": 1, "relu6": 3}


def tflite_file(graph: Graph) -> bytes:
    """The file's bytes. Raises UsageError for what TFLite has no operator for."""
    return _Writer(graph).write()


class _Writer:
    """Tensors of the graph by name, as numbers of the file."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.file = TfliteWriter()
        self.numbers: dict[str, int] = {}

    def write(self) -> bytes:
        graph = self.graph
        for name in graph.inputs:
            self.numbers[name] = self._tensor(graph.tensors[name])
        for layer in graph.layers:
            self.numbers[layer.output] = self._tensor(graph.tensor_out(layer))
            self._layer(layer)
        ends = [[self.numbers[name] for name in names] for names in (graph.inputs, graph.outputs)]
        return self.file.build(*ends)

    def _tensor(self, tensor: Tensor, suffix: str = "") -> int:
        quant: dict[str, Any] = {}
        if tensor.quant is not None and tensor.dtype != "float32":
            quant = {"scale": tensor.quant.scale, "zero_point": tensor.quant.zero_point}
        return self.file.tensor(tensor.name + suffix, (1, *tensor.shape), tensor.dtype, **quant)

    def _signed(self, name: str) -> int:
        """The tensor as int8, which convolutions want: uint8 goes through QUANTIZE."""
        tensor = self.graph.tensors[name]
        if tensor.dtype != "uint8":
            return self.numbers[name]
        assert tensor.quant is not None
        output = self.file.tensor(
            f"{name}.int8",
            (1, *tensor.shape),
            "int8",
            scale=tensor.quant.scale,
            zero_point=tensor.quant.zero_point - 128,
        )
        return self.file.operator("QUANTIZE", [self.numbers[name]], output)

    def _layer(self, layer: Layer) -> None:
        out = self.graph.tensor_out(layer)
        target = self.numbers[layer.output]
        signed = target
        if out.dtype == "uint8" and not isinstance(layer, Quantize | Rescale):
            assert out.quant is not None
            signed = self.file.tensor(
                f"{out.name}.int8",
                (1, *out.shape),
                "int8",
                scale=out.quant.scale,
                zero_point=out.quant.zero_point - 128,
            )
        match layer:
            case Conv2D() | DepthwiseConv2D():
                self._convolution(layer, signed)
            case Add():
                inputs = [self._signed(name) for name in layer.inputs]
                fused = _ACTIVATIONS[activation_of(out, layer.clamp, layer.name)]
                options = {"FusedActivationFunction": fused}
                self.file.operator("ADD", inputs, signed, "AddOptions", **options)
            case GlobalAveragePool():
                axes = self.file.constant(f"{layer.name}.axes", np.array([1, 2], np.int32))
                inputs = [self._signed(layer.inputs[0]), axes]
                self.file.operator("MEAN", inputs, signed, "ReducerOptions", KeepDims=True)
            case Softmax():
                inputs = [self._signed(layer.inputs[0])]
                self.file.operator("SOFTMAX", inputs, signed, "SoftmaxOptions", Beta=1.0)
            case Quantize() | Rescale():
                self.file.operator("QUANTIZE", [self.numbers[layer.inputs[0]]], signed)
            case Dequantize():
                self.file.operator("DEQUANTIZE", [self.numbers[layer.inputs[0]]], signed)
            case _:
                raise UsageError(f"{self.graph.source}: {layer.name} has no TFLite operator")
        if signed != target:
            self.file.operator("QUANTIZE", [signed], target)

    def _convolution(self, layer: Conv2D | DepthwiseConv2D, output: int) -> None:
        graph = self.graph
        source, out = graph.tensor_in(layer), graph.tensor_out(layer)
        fused = _ACTIVATIONS[activation_of(out, layer.clamp, layer.name)]
        # LiteRT's int8 FULLY_CONNECTED rounds once, its CONV_2D twice.
        rounds_twice = layer.requantize is not None and layer.requantize.rounding == "twice"
        dense = layer.op == "pointwise" and source.shape[:2] == (1, 1) and not rounds_twice
        if isinstance(layer, DepthwiseConv2D):
            weight, axis = layer.weight[np.newaxis], 3
        else:
            # OHWI; a classifier's is [out, in].
            weight, axis = np.ascontiguousarray(layer.weight.transpose(3, 0, 1, 2)), 0
            weight = weight.reshape(weight.shape[0], -1) if dense else weight
        scales = weight_scales(graph, layer)
        quant: dict[str, Any] = {}
        bias_quant: dict[str, Any] = {}
        if scales is not None:
            assert source.quant is not None
            quant = {"scale": scales, "axis": axis}
            bias_quant = {"scale": scales * np.float32(source.quant.scale)}
        x = self._signed(layer.inputs[0])
        inputs = [
            x,
            self.file.constant(f"{layer.name}.weight", weight, **quant),
            self.file.constant(f"{layer.name}.bias", layer.bias, **bias_quant),
        ]
        if dense:
            self.file.operator(
                "FULLY_CONNECTED",
                inputs,
                output,
                "FullyConnectedOptions",
                FusedActivationFunction=fused,
                KeepNumDims=True,
            )
            return
        padding = VALID if not any(layer.padding) else SAME
        if padding == SAME and layer.padding != _same_padding(layer, source, out):
            inputs[0] = self._pad(layer, x, source)
            padding = VALID
        options = {
            "Padding": padding,
            "StrideH": layer.stride[0],
            "StrideW": layer.stride[1],
            "FusedActivationFunction": fused,
            "DilationHFactor": layer.dilation[0],
            "DilationWFactor": layer.dilation[1],
        }
        if isinstance(layer, DepthwiseConv2D):
            options["DepthMultiplier"] = 1
            self.file.operator(
                "DEPTHWISE_CONV_2D", inputs, output, "DepthwiseConv2DOptions", **options
            )
        else:
            self.file.operator("CONV_2D", inputs, output, "Conv2DOptions", **options)

    def _pad(self, layer: Conv2D | DepthwiseConv2D, x: int, source: Tensor) -> int:
        top, left, bottom, right = layer.padding
        sizes = np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32)
        shape = (1, source.height + top + bottom, source.width + left + right, source.channels)
        quant: dict[str, Any] = {}
        if source.quant is not None and source.dtype != "float32":
            shift = 128 if source.dtype == "uint8" else 0
            quant = {"scale": source.quant.scale, "zero_point": source.quant.zero_point - shift}
        dtype = "float32" if source.dtype == "float32" else "int8"
        padded = self.file.tensor(f"{layer.name}.padded", shape, dtype, **quant)
        sizes_number = self.file.constant(f"{layer.name}.pads", sizes)
        return self.file.operator("PAD", [x, sizes_number], padded, "PadOptions")


def _same_padding(
    layer: Conv2D | DepthwiseConv2D, source: Tensor, out: Tensor
) -> tuple[int, int, int, int]:
    """What TFLite's SAME means there: the odd element goes to the bottom and the right."""
    sizes = ((source.height, out.height), (source.width, out.width))
    before, behind = [], []
    for (size, made), kernel, stride in zip(sizes, layer.window, layer.stride, strict=True):
        total = max(0, (made - 1) * stride + kernel - size)
        before.append(total // 2)
        behind.append(total - total // 2)
    return before[0], before[1], behind[0], behind[1]
