"""The return to floats in other engines' files."""

from __future__ import annotations

from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.export import OnnxWriter, TfliteWriter

__all__ = ["onnx", "tflite"]


def onnx(layer: Dequantize, to: OnnxWriter) -> str:
    """The real value under the name of the float tensor."""
    return to.node("Identity", [to.real(layer.inputs[0])])


def tflite(layer: Dequantize, to: TfliteWriter) -> None:
    """DEQUANTIZE."""
    to.operator("DEQUANTIZE", [to.stored(layer.inputs[0])], to.stored(layer.output))
