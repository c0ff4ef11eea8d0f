"""Import rules of ONNX: reshapes."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def reshape(node: SourceNode, flow: FlowBuilder) -> None:
    """The new shape is known at compile time."""
    shape = node.output.shape
    if not shape and prod(node.input(0).shape) != 1:
        raise Refusal("a shape that is computed", "export the model with a fixed input shape")
    flow.move("reshape", [flow.stored(node.input(0))], node.output, {"shape": shape})


def identity(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    flow.alias(node.output, flow.stored(node.input(0)))


RULES: dict[str, Rule] = {
    **dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), reshape),
    **dict.fromkeys(("Dropout", "Identity"), identity),
}
