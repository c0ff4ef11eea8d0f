"""Other quantisation of integers in other engines' files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter, TfliteWriter
from edgemnv2.ops.rescale.layer import Rescale

__all__ = ["onnx", "tflite"]


def onnx(layer: Rescale, to: OnnxWriter) -> str:
    """No node: the value stays, its storage changes."""
    return to.real(layer.inputs[0])


def tflite(layer: Rescale, to: TfliteWriter) -> None:
    """QUANTIZE."""
    to.operator("QUANTIZE", [to.stored(layer.inputs[0])], to.stored(layer.output))
