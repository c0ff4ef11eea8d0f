"""ELU in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.elu.layer import Elu
from edgemnv2.ops.export import OnnxWriter

__all__ = ["onnx"]


def onnx(layer: Elu, to: OnnxWriter) -> str:
    """Elu."""
    return to.node("Elu", [to.real(layer.inputs[0])], alpha=layer.alpha)
