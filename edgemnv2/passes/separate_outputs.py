"""Outputs -> tensors of their own: none is an input, and no two are one.

A caller gives a buffer for each of them, and the row program writes every row of an output once.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.copy.layer import Copy
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["separate_outputs"]


def separate_outputs(graph: Graph) -> Graph:
    """The graph with a copy where an output is an input, or an output before it."""
    taken = set(graph.inputs)
    tensors = dict(graph.tensors)
    copies: list[Layer] = []
    outputs: list[str] = []
    for name in graph.outputs:
        if name in taken:
            copy = f"{name}.copy{len(copies) + 1}"
            copies.append(Copy(copy, (name,), copy))
            tensors[copy] = replace(tensors[name], name=copy)
            name = copy
        taken.add(name)
        outputs.append(name)
    if not copies:
        return graph
    layers = (*graph.layers, *copies)
    return replace(graph, layers=layers, tensors=tensors, outputs=tuple(outputs))
