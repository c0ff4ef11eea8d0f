"""The other sign in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.negate.layer import Negate

__all__ = ["onnx"]


def onnx(layer: Negate, to: OnnxWriter) -> str:
    """Neg."""
    return to.node("Neg", [to.real(layer.inputs[0])])
