"""Nodes that no output needs -> nothing: pieces of a split, heads cut off by an export."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.flow import Flow, Node

__all__ = ["drop_unused"]


def drop_unused(flow: Flow) -> Flow:
    """The flow of those nodes alone that an output depends on."""
    needed = set(flow.outputs)
    kept: list[Node] = []
    for node in reversed(flow.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.tensors)
    return replace(flow, nodes=tuple(reversed(kept)))
