"""The sigmoid in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.sigmoid.layer import Sigmoid

__all__ = ["onnx"]


def onnx(layer: Sigmoid, to: OnnxWriter) -> str:
    """Sigmoid."""
    return to.node("Sigmoid", [to.real(layer.inputs[0])])
