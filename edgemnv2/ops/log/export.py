"""Logarithms in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.log.layer import Log

__all__ = ["onnx"]


def onnx(layer: Log, to: OnnxWriter) -> str:
    """Log."""
    return to.node("Log", [to.real(layer.inputs[0])])
