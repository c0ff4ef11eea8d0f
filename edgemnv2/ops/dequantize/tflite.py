"""Import rules of TFLite: dequantise."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def dequantize(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    source = node.input(0)
    real = flow.real(source)
    if isinstance(real, Constant):
        # Weights that the file keeps in float16 or int8.
        known = real if real.scale is not None else Constant(real.values.astype(np.float32))
        flow.alias(node.output, known)
        return
    flow.alias(node.output, real)


RULES: dict[str, Rule] = {"DEQUANTIZE": dequantize}
