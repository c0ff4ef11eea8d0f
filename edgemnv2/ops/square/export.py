"""Squares in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.square.layer import Square

__all__ = ["onnx"]


def onnx(layer: Square, to: OnnxWriter) -> str:
    """Mul of a value with itself."""
    x = to.real(layer.inputs[0])
    return to.node("Mul", [x, x])
