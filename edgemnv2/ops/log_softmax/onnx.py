"""Import rules of ONNX: log softmax."""

from __future__ import annotations

from edgemnv2.ops.onnx_terms import over_one_axis
from edgemnv2.ops.source import Rule

__all__ = ["RULES"]

RULES: dict[str, Rule] = {"LogSoftmax": over_one_axis("log_softmax")}
