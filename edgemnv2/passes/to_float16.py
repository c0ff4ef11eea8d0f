"""float32 network -> the same with float16 activations between its ends (`--dtype float16`).

Input, output and what exponentials and squares are made of and into stay float32, and so do sums of
pooling and floats beside whole numbers (what ArgMax looks for the largest of). What a layer only
moves has one type in front of it and behind, as has a depthwise convolution. Weights are rounded to
float16 by the kernels that use them. Stated accuracy: `FLOAT16_TOLERANCE`.
"""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.errors import UsageError
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.target import Target

__all__ = ["FLOAT16_TOLERANCE", "check_float16", "to_float16"]

FLOAT16_TOLERANCE = 1e-2
"""Of the largest output. 53 layers round to 11 bits (5e-4 of a value) one after the other; the
errors add up like a random walk, sqrt(53) * 5e-4 = 4e-3. Torchvision's network over 8 photographs
came to 4.7e-3."""


def check_float16(target: Target) -> None:
    """UsageError for a core without float16 arithmetic."""
    if not target.has("fp16"):
        raise UsageError(
            f"dtype=float16: {target.name} ({target.cpu.core}) has no float16 arithmetic "
            "(leave it out, or choose a target with the feature fp16)"
        )


def to_float16(graph: Graph, target: Target) -> Graph:
    """`graph` with float16 activations.

    Raises UsageError for a quantised network and for a core without float16 arithmetic.
    """
    check_float16(target)
    stored = next((x for x in graph.tensors.values() if x.quant is not None), None)
    if stored is not None:
        raise UsageError(
            f"dtype=float16: {graph.source} is quantised, {stored.name!r} in it is {stored.dtype} "
            "(leave it out, integers are computed as they are; or give the float32 network)"
        )
    kept = _kept(graph)
    tensors = {
        name: tensor if name in kept else replace(tensor, dtype="float16")
        for name, tensor in graph.tensors.items()
    }
    return replace(graph, tensors=tensors)


def _kept(graph: Graph) -> set[str]:
    """The tensors that stay what they are."""
    kept = {*graph.inputs, *graph.outputs}
    kept |= {name for name, tensor in graph.tensors.items() if tensor.dtype != "float32"}
    for layer in graph.layers:
        beside_numbers = any(graph.tensors[name].dtype != "float32" for name in _ends(layer))
        if layer.needs_float32 or beside_numbers:
            kept.update(_ends(layer))
    before = -1
    while len(kept) != before:
        before = len(kept)
        for layer in graph.layers:
            if _has_one_type(layer) and not kept.isdisjoint(_ends(layer)):
                kept.update(_ends(layer))
    return kept


def _has_one_type(layer: Layer) -> bool:
    """Whether its kernels read what they write: those that move, and depthwise ones of families."""
    return layer.moves_values or layer.keeps_storage or layer.block_role == "depthwise"


def _ends(layer: Layer) -> tuple[str, ...]:
    return (*layer.inputs, layer.output)
