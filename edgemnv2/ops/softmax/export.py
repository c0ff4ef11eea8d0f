"""Softmax in other engines' files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import NcnnWriter, OnnxWriter, TfliteWriter, no_form
from edgemnv2.ops.softmax.layer import Softmax

__all__ = ["ncnn", "onnx", "tflite"]


def onnx(layer: Softmax, to: OnnxWriter) -> str:
    """Softmax over the channels, behind a Mul by beta."""
    x = to.real(layer.inputs[0])
    if layer.beta != 1.0:
        beta = to.constant(f"{layer.name}.beta", np.array(layer.beta, np.float32))
        x = to.node("Mul", [x, beta], f"{layer.name}.scaled")
    return to.node("Softmax", [x], axis=1)


def tflite(layer: Softmax, to: TfliteWriter) -> None:
    """SOFTMAX."""
    inputs, output = [to.signed(layer.inputs[0])], to.result(layer.output)
    to.operator("SOFTMAX", inputs, output, "SoftmaxOptions", Beta=layer.beta)


def ncnn(layer: Softmax, to: NcnnWriter) -> None:
    """Softmax over the channels."""
    if layer.beta != 1.0:
        raise no_form(to.graph, layer, "ncnn")
    to.line("Softmax", layer, "0=0 1=1")
