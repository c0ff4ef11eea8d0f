"""Import rules of ONNX: whole numbers."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {
    "Ceil": onnx_unary("ceil"),
    "Floor": onnx_unary("floor"),
    "Round": onnx_unary("round"),
}
