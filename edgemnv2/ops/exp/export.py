"""Exponentials in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.exp.layer import Exp
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Exp, to: OnnxWriter) -> str:
    """Exp."""
    return to.node("Exp", [to.real(layer.inputs[0])])
