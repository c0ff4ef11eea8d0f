"""Import rules of ONNX: transposes."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode

__all__ = ["RULES"]


def transpose(node: SourceNode, flow: FlowBuilder) -> None:
    """-"""
    rank = len(node.input(0).shape)
    axes = tuple(int(x) for x in node.get("perm", tuple(reversed(range(rank)))))
    flow.move("permute", [flow.stored(node.input(0))], node.output, {"axes": axes})


RULES: dict[str, Rule] = {"Transpose": transpose}
