"""Import rules of TFLite: hard_swish."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import tflite_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"HARD_SWISH": tflite_unary("hard_swish")}
