"""The hyperbolic tangent in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.tanh.layer import Tanh

__all__ = ["onnx"]


def onnx(layer: Tanh, to: OnnxWriter) -> str:
    """Tanh."""
    return to.node("Tanh", [to.real(layer.inputs[0])])
