"""Import rules of ONNX: absolute value."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"Abs": onnx_unary("abs")}
