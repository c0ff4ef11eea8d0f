"""Pixels of length 1 in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.l2_norm.layer import L2Norm

__all__ = ["onnx"]


def onnx(layer: L2Norm, to: OnnxWriter) -> str:
    """LpNormalization."""
    return to.node("LpNormalization", [to.real(layer.inputs[0])], axis=1, p=2)
