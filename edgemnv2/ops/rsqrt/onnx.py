"""ONNX has no operator of this name."""

from __future__ import annotations

from edgemnv2.ops.source import Rule

__all__ = ["RULES"]

RULES: dict[str, Rule] = {}
