"""clip -> the `clamp` of the operation in front of it; ReLU6 is (0, 6), none is (-inf, inf)."""

from __future__ import annotations

import math
from dataclasses import replace

from edgemnv2.ops.flow import Flow, Node, consumers
from edgemnv2.ops.table import lowering_of

__all__ = ["fuse_clamp"]


def _takes_clamp(node: Node) -> bool:
    return bool(getattr(lowering_of(node.op), "CLAMPS", False))


def fuse_clamp(flow: Flow) -> Flow:
    """The flow where every clip that can is part of the operation in front of it."""
    users = consumers(flow)
    latest: dict[str, Node] = {}
    nodes: list[Node] = []
    for node in flow.nodes:
        if _takes_clamp(node) and "clamp" not in node.attrs:
            node = node.with_attrs(clamp=(-math.inf, math.inf))
        before = latest.get(node.tensors[0]) if node.op == "clip" else None
        name = before.output if before is not None else ""
        if before is not None and len(users[name]) == 1 and name not in flow.outputs:
            low, high = before.attrs["clamp"]
            bottom, top = node.attrs["clamp"]
            clamp = (min(max(low, bottom), top), min(max(high, bottom), top))
            merged = replace(before.with_attrs(clamp=clamp), output=node.output)
            nodes[nodes.index(before)] = merged
            latest[node.output] = merged
            continue
        nodes.append(node)
        if _takes_clamp(node):
            latest[node.output] = node
    return flow.with_nodes(nodes)
