"""Magnitudes in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.abs.layer import Abs
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Abs, to: OnnxWriter) -> str:
    """Abs."""
    return to.node("Abs", [to.real(layer.inputs[0])])
