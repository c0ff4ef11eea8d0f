"""The hard sigmoid in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.hard_sigmoid.layer import HardSigmoid

__all__ = ["onnx"]


def onnx(layer: HardSigmoid, to: OnnxWriter) -> str:
    """HardSigmoid."""
    return to.node("HardSigmoid", [to.real(layer.inputs[0])], alpha=layer.alpha, beta=layer.beta)
