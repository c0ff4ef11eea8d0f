"""Transposes in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter, from_rows, reshaped, rows_of
from edgemnv2.ops.transpose.layer import Transpose

__all__ = ["onnx"]


def onnx(layer: Transpose, to: OnnxWriter) -> str:
    """Transpose of what lies as height, width, channels, seen with other extents."""
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    rows = rows_of(to, to.real(layer.inputs[0]), source, f"{layer.name}.rows")
    seen = reshaped(to, rows, layer.memory, f"{layer.name}.seen")
    moved = to.node("Transpose", [seen], f"{layer.name}.moved", perm=list(layer.axes))
    return from_rows(to, moved, out, layer)
