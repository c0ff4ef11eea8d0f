"""Reciprocals of square roots in ONNX files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.rsqrt.layer import Rsqrt

__all__ = ["onnx"]


def onnx(layer: Rsqrt, to: OnnxWriter) -> str:
    """One, divided by Sqrt."""
    one = to.constant(f"{layer.name}.one", np.array(1.0, np.float32))
    root = to.node("Sqrt", [to.real(layer.inputs[0])], f"{layer.name}.root")
    return to.node("Div", [one, root])
