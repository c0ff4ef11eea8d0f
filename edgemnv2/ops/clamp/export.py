"""Clamps in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.clamp.layer import Clamp
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Clamp, to: OnnxWriter) -> str:
    """The value itself: what is behind every layer with a clamp does the rest."""
    return to.real(layer.inputs[0])
