"""Import rules of TFLite: sine, cosine."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import tflite_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"COS": tflite_unary("cos"), "SIN": tflite_unary("sin")}
