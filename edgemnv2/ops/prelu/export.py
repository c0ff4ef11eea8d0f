"""The parametric ReLU in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter, no_form
from edgemnv2.ops.prelu.layer import Prelu

__all__ = ["onnx"]


def onnx(layer: Prelu, to: OnnxWriter) -> str:
    """PRelu of float slopes."""
    if layer.rescale is not None:
        raise no_form(to.graph, layer, "ONNX")
    slope = layer.slope
    # [1], [C] or [H, W, C] -> [1, 1, 1], [C, 1, 1] or [C, H, W].
    slope = slope.transpose(2, 0, 1) if slope.ndim == 3 else slope.reshape(-1, 1, 1)
    return to.node("PRelu", [to.real(layer.inputs[0]), to.constant(f"{layer.name}.slope", slope)])
