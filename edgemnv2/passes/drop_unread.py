"""Layers that nobody reads -> nothing: parts of a split that a file does not use."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.graph import Graph

__all__ = ["drop_unread"]


def drop_unread(graph: Graph) -> Graph:
    """The graph with the layers that its outputs depend on."""
    read = set(graph.outputs)
    kept = []
    for layer in reversed(graph.layers):
        if layer.output in read:
            read.update(layer.inputs)
            kept.append(layer)
    names = {*graph.inputs, *(layer.output for layer in kept)}
    tensors = {name: tensor for name, tensor in graph.tensors.items() if name in names}
    return replace(graph, layers=tuple(reversed(kept)), tensors=tensors)
