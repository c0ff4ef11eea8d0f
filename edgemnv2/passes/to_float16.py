"""float32 network -> the same with float16 activations between its ends (`--dtype float16`).

Input, output and what softmax reads stay float32, and so do sums of pooling; weights are rounded to
float16 by the kernels that use them. Stated accuracy: `FLOAT16_TOLERANCE`.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.errors import UsageError
from edgemnv2.ops.graph import Graph
from edgemnv2.target import Target

__all__ = ["FLOAT16_TOLERANCE", "to_float16"]

FLOAT16_TOLERANCE = 1e-2
"""Of the largest output. 53 layers round to 11 bits (5e-4 of a value) one after the other; the
errors add up like a random walk, sqrt(53) * 5e-4 = 4e-3. Torchvision's network over 8 photographs
came to 4.7e-3."""


def to_float16(graph: Graph, target: Target) -> Graph:
    """`graph` with float16 activations.

    Raises UsageError for an integer network and for a core without float16 arithmetic.
    """
    if not target.has("fp16"):
        raise UsageError(
            f"dtype=float16: {target.name} ({target.cpu.core}) has no float16 arithmetic "
            "(leave it out, or choose a target with the feature fp16)"
        )
    other = next((x for x in graph.tensors.values() if x.dtype != "float32"), None)
    if other is not None:
        raise UsageError(
            f"dtype=float16: {graph.source} is not a float32 network, {other.name!r} in it is "
            f"{other.dtype} (leave it out)"
        )
    kept = {*graph.inputs, *graph.outputs}
    kept |= {name for layer in graph.layers if layer.makes_probabilities for name in layer.inputs}
    tensors = {
        name: tensor if name in kept else replace(tensor, dtype="float16")
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)
