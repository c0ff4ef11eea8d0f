"""A copy in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.copy.layer import Copy
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Copy, to: OnnxWriter) -> str:
    """Identity."""
    return to.node("Identity", [to.real(layer.inputs[0])])
