"""Softplus in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.softplus.layer import Softplus

__all__ = ["onnx"]


def onnx(layer: Softplus, to: OnnxWriter) -> str:
    """Softplus."""
    return to.node("Softplus", [to.real(layer.inputs[0])])
