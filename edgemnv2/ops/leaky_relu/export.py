"""The leaky ReLU in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.leaky_relu.layer import LeakyRelu

__all__ = ["onnx"]


def onnx(layer: LeakyRelu, to: OnnxWriter) -> str:
    """LeakyRelu."""
    return to.node("LeakyRelu", [to.real(layer.inputs[0])], alpha=layer.alpha)
