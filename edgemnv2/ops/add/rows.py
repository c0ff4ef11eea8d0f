"""Rows of a sum: it has no tensor of its own where it may overwrite one of its operands."""

from __future__ import annotations

from collections import Counter

from edgemnv2.ops.graph import Graph, Layer

__all__ = ["overwrites"]


def overwrites(graph: Graph, layer: Layer) -> int | None:
    """Index of the operand of `layer` that it may overwrite, or None.

    That is the later-made operand of equal quantisation-free storage (same shape and dtype) which
    nobody else reads and which is not the network's input.
    """
    readers = Counter(name for other in graph.layers for name in other.inputs)
    made_at = {other.output: index for index, other in enumerate(graph.layers)}
    out = graph.tensor_out(layer)
    candidates = [
        index
        for index, name in enumerate(layer.inputs)
        if readers[name] == 1
        and name in made_at
        and name not in graph.outputs
        and (graph.tensors[name].shape, graph.tensors[name].dtype) == (out.shape, out.dtype)
    ]
    return max(candidates, key=lambda i: made_at[layer.inputs[i]], default=None)
