"""Nodes on constants alone -> constants."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.constants import evaluate
from edgemnv2.ops.flow import Constant, Flow, Node

__all__ = ["fold_constants"]


def fold_constants(flow: Flow) -> Flow:
    """The flow without the nodes whose inputs are all constant."""
    known: dict[str, Constant] = {}
    nodes: list[Node] = []
    for old in flow.nodes:
        inputs = tuple(known.get(x, x) if isinstance(x, str) else x for x in old.inputs)
        node = replace(old, inputs=inputs)
        if node.tensors:
            nodes.append(node)
        else:
            known[node.output] = evaluate(node, flow.source)
    return flow.with_nodes(nodes)
