"""Logarithms of shares in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.log_softmax.layer import LogSoftmax

__all__ = ["onnx"]


def onnx(layer: LogSoftmax, to: OnnxWriter) -> str:
    """LogSoftmax."""
    return to.node("LogSoftmax", [to.real(layer.inputs[0])], axis=1)
