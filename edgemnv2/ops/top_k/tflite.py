"""Import rules of TFLite: the largest values."""

from __future__ import annotations

from edgemnv2.ops.source import FlowBuilder, Rule, SourceNode
from edgemnv2.ops.top_k.both import add_top_k

__all__ = ["RULES"]


def top_k(node: SourceNode, flow: FlowBuilder) -> None:
    """The count is constant."""
    add_top_k(node, flow, -1, smallest=False)


RULES: dict[str, Rule] = {"TOPK_V2": top_k}
