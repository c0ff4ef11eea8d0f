"""Sines, cosines, arctangents in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.trigonometric.layer import Trigonometric

__all__ = ["onnx"]


def onnx(layer: Trigonometric, to: OnnxWriter) -> str:
    """Sin, Cos or Atan."""
    return to.node(layer.mode.capitalize(), [to.real(layer.inputs[0])])
