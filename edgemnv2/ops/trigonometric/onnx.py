"""Import rules of ONNX: sine, cosine, arctangent."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {
    "Atan": onnx_unary("atan"),
    "Cos": onnx_unary("cos"),
    "Sin": onnx_unary("sin"),
}
