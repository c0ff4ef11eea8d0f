"""Reshapes in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter, from_rows, rows_of
from edgemnv2.ops.reshape.layer import Reshape

__all__ = ["onnx"]


def onnx(layer: Reshape, to: OnnxWriter) -> str:
    """Reshape of what lies as height, width, channels."""
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    rows = rows_of(to, to.real(layer.inputs[0]), source, f"{layer.name}.rows")
    return from_rows(to, rows, out, layer)
