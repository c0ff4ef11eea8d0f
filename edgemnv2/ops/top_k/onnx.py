"""Import rules of ONNX: the largest values."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.top_k.both import add_top_k

__all__ = ["RULES"]


def top_k(node: SourceNode, flow: FlowBuilder) -> None:
    """The count is constant."""
    add_top_k(node, flow, int(node.get("axis", -1)), not node.get("largest", 1))


RULES: dict[str, Rule] = {"TopK": top_k}
