"""Import rules of TFLite: the sign."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import tflite_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"SIGN": tflite_unary("sign")}
