"""Reshapes in other engines' files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import OnnxWriter, TfliteWriter, from_rows, rows_of
from edgemnv2.ops.reshape.layer import Reshape

__all__ = ["onnx", "tflite"]


def onnx(layer: Reshape, to: OnnxWriter) -> str:
    """Reshape of what lies as height, width, channels."""
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    rows = rows_of(to, to.real(layer.inputs[0]), source, f"{layer.name}.rows")
    return from_rows(to, rows, out, layer)


def tflite(layer: Reshape, to: TfliteWriter) -> None:
    """RESHAPE."""
    shape = np.array([1, *to.graph.tensor_out(layer).shape], np.int32)
    inputs = [to.signed(layer.inputs[0]), to.constant(f"{layer.name}.shape", shape)]
    to.operator("RESHAPE", inputs, to.result(layer.output))
