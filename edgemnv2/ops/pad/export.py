"""Padding in ONNX files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.pad.layer import Pad

__all__ = ["onnx"]


def onnx(layer: Pad, to: OnnxWriter) -> str:
    """Pad by a constant."""
    (top, left, bottom, right), (before, after) = layer.padding, layer.channels
    sizes = np.array([0, before, top, left, 0, after, bottom, right], np.int64)
    names = [
        to.real(layer.inputs[0]),
        to.constant(f"{layer.name}.sizes", sizes),
        to.constant(f"{layer.name}.fill", to.fill(layer.inputs[0], layer.value)),
    ]
    return to.node("Pad", names, mode="constant")
