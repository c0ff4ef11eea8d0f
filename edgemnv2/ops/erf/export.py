"""The error function in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.erf.layer import Erf
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Erf, to: OnnxWriter) -> str:
    """Erf."""
    return to.node("Erf", [to.real(layer.inputs[0])])
