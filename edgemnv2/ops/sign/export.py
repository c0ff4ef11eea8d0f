"""The sign in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.sign.layer import Sign

__all__ = ["onnx"]


def onnx(layer: Sign, to: OnnxWriter) -> str:
    """Sign."""
    return to.node("Sign", [to.real(layer.inputs[0])])
