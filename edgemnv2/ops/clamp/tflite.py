"""Import rules of TFLite: activations that only clamp."""

from __future__ import annotations

import math

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def _clamp(low: float, high: float) -> Rule:
    def rule(node: SourceNode, flow: FlowBuilder) -> None:
        """-"""
        flow.compute("clip", [flow.real(node.input(0))], node.output, {"clamp": (low, high)})

    return rule


RULES: dict[str, Rule] = {
    "RELU": _clamp(0.0, math.inf),
    "RELU6": _clamp(0.0, 6.0),
    "RELU_N1_TO_1": _clamp(-1.0, 1.0),
    "RELU_0_TO_1": _clamp(0.0, 1.0),
}
