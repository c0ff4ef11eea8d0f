"""Whole numbers in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.rounding.layer import Rounding

__all__ = ["onnx"]

KINDS = {"ceil": "Ceil", "floor": "Floor", "round": "Round"}


def onnx(layer: Rounding, to: OnnxWriter) -> str:
    """Ceil, Floor or Round."""
    return to.node(KINDS[layer.mode], [to.real(layer.inputs[0])])
