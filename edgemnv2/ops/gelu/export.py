"""GELU in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.gelu.layer import Gelu

__all__ = ["onnx", "opset"]


def onnx(layer: Gelu, to: OnnxWriter) -> str:
    """Gelu."""
    return to.node(
        "Gelu", [to.real(layer.inputs[0])], approximate="tanh" if layer.approximate else "none"
    )


def opset(layer: Gelu) -> int:
    """The first that has it."""
    del layer
    return 20
