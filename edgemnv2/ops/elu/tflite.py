"""Import rules of TFLite: elu."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import tflite_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"ELU": tflite_unary("elu", alpha=1.0)}
