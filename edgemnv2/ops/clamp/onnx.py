"""Import rules of ONNX: activations that only clamp."""

from __future__ import annotations

import math

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def relu(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    flow.move("clip", [flow.stored(node.input(0))], node.output, {"clamp": (0.0, math.inf)})


def clip(node: SourceNode, flow: FlowBuilder) -> None:
    """Bounds are constants."""
    low = float(node.get("min", -math.inf))
    high = float(node.get("max", math.inf))
    bounds = [low, high]
    for index in (1, 2):
        tensor = node.optional(index)
        if tensor is None:
            continue
        value = flow.stored(tensor)
        if not isinstance(value, Constant):
            raise Refusal(f"bound {tensor.name!r} that is computed", "export ReLU6 as Clip(0, 6)")
        if value.values.size:
            bounds[index - 1] = float(value.real().reshape(-1)[0])
    # The upper one wins where they cross.
    attrs = {"clamp": (min(bounds), bounds[1])}
    flow.move("clip", [flow.stored(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {"Relu": relu, "Clip": clip}
