"""Convolution in other engines' files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D, Convolution, TransposedConv2D
from edgemnv2.ops.export import NcnnWriter, OnnxWriter, TfliteWriter, no_form
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["ncnn", "onnx", "tflite"]

Array = NDArray[Any]
# schema.fbs: Padding.
SAME, VALID = 0, 1
# Activation type and parameters: none, ReLU, clip to 0 .. 6.
_NCNN_ACTIVATIONS = {"none": "9=0", "relu": "9=1", "relu6": "9=3 -23310=2,0.0,6.0"}


def onnx(layer: Layer, to: OnnxWriter) -> str:
    """Conv, Gemm where a vector is wanted, or ConvTranspose."""
    if isinstance(layer, TransposedConv2D):
        return _transposed(layer, to)
    found = _convolution(to.graph, layer, "ONNX")
    x = to.real(layer.inputs[0])
    weight = _output_first(found)
    if to.is_matrix_product(layer):
        names = to.weights(found, weight[:, :, 0, 0])
        flat = to.node("Flatten", [x], f"{layer.name}.flat", axis=1)
        return to.node("Gemm", [flat, *names], transB=1)
    spread: dict[str, Any] = {} if found.dilation == (1, 1) else {"dilations": list(found.dilation)}
    return to.node(
        "Conv",
        [x, *to.weights(found, weight)],
        kernel_shape=list(found.kernel),
        strides=list(found.stride),
        pads=list(found.padding),
        group=_groups(found),
        **spread,
    )


def _transposed(layer: TransposedConv2D, to: OnnxWriter) -> str:
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    (kh, kw), (sy, sx), (top, left) = layer.kernel, layer.stride, layer.padding
    # What the windows make is cut off in front and behind, or goes on with the bias alone.
    bottom = (source.height - 1) * sy + kh - top - out.height
    right = (source.width - 1) * sx + kw - left - out.width
    weight = layer.weight.transpose(2, 3, 0, 1)
    return to.node(
        "ConvTranspose",
        [to.real(layer.inputs[0]), *to.weights(layer, weight, axis=1)],
        kernel_shape=[kh, kw],
        strides=[sy, sx],
        pads=[top, left, max(bottom, 0), max(right, 0)],
        output_padding=[max(-bottom, 0), max(-right, 0)],
    )


def tflite(layer: Layer, to: TfliteWriter) -> None:
    """CONV_2D, DEPTHWISE_CONV_2D, or FULLY_CONNECTED for what rounds as that does."""
    found = _convolution(to.graph, layer, "TFLite")
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    # LiteRT's int8 FULLY_CONNECTED rounds once, its CONV_2D twice.
    rounds_twice = found.requantize is not None and found.requantize.rounding == "twice"
    dense = layer.op == "pointwise" and source.shape[:2] == (1, 1) and not rounds_twice
    if found.mixes_channels:
        # OHWI; a classifier's is [out, in].
        weight, axis = np.ascontiguousarray(found.weight.transpose(3, 0, 1, 2)), 0
        weight = weight.reshape(weight.shape[0], -1) if dense else weight
    else:
        weight, axis = found.weight[np.newaxis], 3
    weight_quant, bias_quant = to.weight_quant(found, axis)
    constants = [
        to.constant(f"{layer.name}.weight", weight, **weight_quant),
        to.constant(f"{layer.name}.bias", found.bias, **bias_quant),
    ]
    fused = {"FusedActivationFunction": to.activation(out, layer)}
    name = layer.inputs[0]
    if dense:
        to.operator(
            "FULLY_CONNECTED",
            [to.signed(name), *constants],
            to.result(layer.output),
            "FullyConnectedOptions",
            **fused,
            KeepNumDims=True,
        )
        return
    same = any(found.padding) and found.padding == _same_padding(found, source, out)
    plain = same or not any(found.padding)
    x = to.signed(name) if plain else to.padded(name, found.padding, f"{layer.name}.padded")
    options = {
        **fused,
        "Padding": SAME if same else VALID,
        "StrideH": found.stride[0],
        "StrideW": found.stride[1],
        "DilationHFactor": found.dilation[0],
        "DilationWFactor": found.dilation[1],
    }
    kind, form = "CONV_2D", "Conv2DOptions"
    if not found.mixes_channels:
        kind, form = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions"
        options["DepthMultiplier"] = 1
    to.operator(kind, [x, *constants], to.result(layer.output), form, **options)


def ncnn(layer: Layer, to: NcnnWriter) -> None:
    """Convolution, ConvolutionDepthWise, or InnerProduct of a vector."""
    found = _convolution(to.graph, layer, "ncnn")
    channels = to.graph.tensor_out(layer).channels
    activation = _NCNN_ACTIVATIONS[to.activation(layer)]
    weight = _output_first(found)
    to.store(weight, found.bias)
    if layer.inputs[0] in to.vectors:
        to.vectors.add(layer.output)
        to.line("InnerProduct", layer, f"0={channels} 1=1 2={weight.size} {activation}")
        return
    top, left, bottom, right = found.padding
    (kh, kw), (sy, sx), (dy, dx) = found.kernel, found.stride, found.dilation
    parameters = (
        f"0={channels} 1={kw} 11={kh} 2={dx} 12={dy} 3={sx} 13={sy} "
        f"4={left} 14={top} 15={right} 16={bottom} 5=1 6={weight.size} {activation}"
    )
    groups = _groups(found)
    if groups == 1:
        to.line("Convolution", layer, parameters)
    else:
        to.line("ConvolutionDepthWise", layer, f"{parameters} 7={groups}")


def _convolution(graph: Graph, layer: Layer, engine: str) -> Convolution:
    if not isinstance(layer, Convolution):
        raise no_form(graph, layer, engine)
    return layer


def _groups(layer: Convolution) -> int:
    return layer.groups if isinstance(layer, Conv2D) else int(layer.weight.shape[-1])


def _output_first(layer: Convolution) -> Array:
    """The weights `[Cout, Cin of a group, KH, KW]`."""
    dense = layer.mixes_channels
    weight = layer.weight if dense else layer.weight[:, :, np.newaxis]
    return weight.transpose(3, 2, 0, 1)


def _same_padding(layer: Convolution, source: Tensor, out: Tensor) -> tuple[int, int, int, int]:
    """What TFLite's SAME means there: the odd element goes to the bottom and the right."""
    sizes = ((source.height, out.height), (source.width, out.width))
    before, behind = [], []
    for (size, made), window, stride in zip(sizes, layer.window, layer.stride, strict=True):
        total = max(0, (made - 1) * stride + window - size)
        before.append(total // 2)
        behind.append(total - total // 2)
    return before[0], before[1], behind[0], behind[1]
