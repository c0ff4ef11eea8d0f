"""Import rules of ONNX: the sign."""

from __future__ import annotations

from edgemnv2.ops.source import Rule
from edgemnv2.ops.unary import onnx_unary

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"Sign": onnx_unary("sign")}
