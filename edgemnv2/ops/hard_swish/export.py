"""The hard swish in ONNX files."""

from __future__ import annotations

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.hard_swish.layer import HardSwish

__all__ = ["onnx", "opset"]


def onnx(layer: HardSwish, to: OnnxWriter) -> str:
    """HardSwish."""
    return to.node("HardSwish", [to.real(layer.inputs[0])])


def opset(layer: HardSwish) -> int:
    """The first that has it."""
    del layer
    return 14
