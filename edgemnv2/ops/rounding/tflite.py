"""Import rules of TFLite: whole numbers."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import tflite_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {
    "CEIL": tflite_unary("ceil"),
    "FLOOR": tflite_unary("floor"),
    "ROUND": tflite_unary("round"),
}
