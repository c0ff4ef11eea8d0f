"""Square roots in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.sqrt.layer import Sqrt

__all__ = ["onnx"]


def onnx(layer: Sqrt, to: OnnxWriter) -> str:
    """Sqrt."""
    return to.node("Sqrt", [to.real(layer.inputs[0])])
