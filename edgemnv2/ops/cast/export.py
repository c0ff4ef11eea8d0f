"""Casts in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.cast.layer import Cast
from edgemnv2.ops.export import OnnxWriter, no_form

__all__ = ["onnx"]


def onnx(layer: Cast, to: OnnxWriter) -> str:
    """Cast, of numbers whose zero point is 0."""
    if layer.zero_in or layer.zero_out:
        raise no_form(to.graph, layer, "ONNX")
    return to.cast(to.real(layer.inputs[0]), to.graph.tensor_out(layer).dtype)
