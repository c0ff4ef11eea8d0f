"""uint8 <-> int8 of one scale -> the layer beside it; int8 everywhere but at the network's ends.

A uint8 value with zero point z and the int8 value 128 lower with zero point z - 128 are the same
real number, so a recast is a choice of storage, not arithmetic. Layers that keep what is stored
(moves, averages of stored values) have one storage at all of their ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["absorb_recasts"]

SHIFT = 128
RECAST = "rescale"


def absorb_recasts(graph: Graph) -> Graph:
    """The graph without recasts, its inner activations int8."""
    return _inner_to_int8(_drop_recasts(graph))


def _is_recast(graph: Graph, layer: Layer) -> bool:
    """Whether a rescale keeps every real value that its clamp lets through.

    The scales are equal, and the zero points as far apart as the types.
    """
    if layer.op != RECAST:
        return False
    a, b = graph.tensor_in(layer), graph.tensor_out(layer)
    if a.quant is None or b.quant is None:
        return False
    shift = int(np.iinfo(b.dtype).min) - int(np.iinfo(a.dtype).min)
    return a.quant.scale == b.quant.scale and a.quant.zero_point + shift == b.quant.zero_point


def _clamp_of(layer: Layer) -> tuple[float, float] | None:
    clamp: tuple[float, float] | None = getattr(layer, "clamp", None)
    return clamp


def _is_plain(graph: Graph, layer: Layer) -> bool:
    """Whether the clamp of a rescale lets every value of its type through."""
    limits = np.iinfo(graph.tensor_out(layer).dtype)
    return _clamp_of(layer) == (limits.min, limits.max)


def _drop_recasts(graph: Graph) -> Graph:
    ends = {*graph.inputs, *graph.outputs}
    names: dict[str, str] = {}
    layers: list[Layer] = []
    for layer in graph.layers:
        source = names.get(layer.inputs[0], layer.inputs[0])
        if _is_recast(graph, layer):
            plain = _is_plain(graph, layer)
            keepers = any(x.keeps_storage for x in graph.layers if layer.output in x.inputs)
            if plain and layer.output not in ends and not keepers:
                # Readers take the source itself, with its own zero point.
                names[layer.output] = source
                continue
            readers = [x for x in graph.layers if layer.inputs[0] in x.inputs]
            alone = source not in ends and source == layer.inputs[0] and len(readers) == 1
            producer = next((x for x in layers if x.output == source), None)
            free = producer is not None and not producer.keeps_storage
            if alone and producer is not None and free and (plain or _clamp_of(producer)):
                # The producer writes the output's storage, clamped as the recast was.
                layers[layers.index(producer)] = _retyped(producer, layer, graph.tensors)
                continue
        inputs = tuple(names.get(x, x) for x in layer.inputs)
        layers.append(layer if inputs == layer.inputs else replace(layer, inputs=inputs))
    return _with_layers(graph, layers, graph.tensors)


def _retyped(producer: Layer, recast: Layer, tensors: Mapping[str, Tensor]) -> Layer:
    """`producer` writing what `recast` made of its output."""
    old, new = tensors[producer.output], tensors[recast.output]
    assert old.quant is not None and new.quant is not None
    moved = producer.stored_higher(new.quant.zero_point - old.quant.zero_point)
    moved = replace(moved, name=recast.output, output=recast.output)
    mine, theirs = _clamp_of(moved), _clamp_of(recast)
    if mine is None or theirs is None:
        return moved
    low, high = (min(max(x, theirs[0]), theirs[1]) for x in mine)
    return replace(moved, clamp=(low, high))  # type: ignore[call-arg]


def _inner_to_int8(graph: Graph) -> Graph:
    kept = _kept_uint8(graph)
    tensors = dict(graph.tensors)
    for name, tensor in graph.tensors.items():
        if tensor.dtype == "uint8" and name not in kept:
            assert tensor.quant is not None
            quant = QuantParams(tensor.quant.scale, tensor.quant.zero_point - SHIFT)
            tensors[name] = replace(tensor, dtype="int8", quant=quant)
    layers = [
        x.stored_higher(-SHIFT) if tensors[x.output].dtype != graph.tensor_out(x).dtype else x
        for x in graph.layers
    ]
    return _with_layers(graph, layers, tensors)


def _kept_uint8(graph: Graph) -> set[str]:
    """The network's ends; what rounds stored values; and all whose storage hangs together with it.

    Halves of an average are rounded away from zero in *stored* values.
    """
    kept = {*graph.inputs, *graph.outputs}
    keepers = [layer for layer in graph.layers if layer.keeps_storage]
    for layer in keepers:
        if layer.rounds_storage(graph.tensor_in(layer)):
            kept.update((*layer.inputs, layer.output))
    grows = True
    while grows:
        before = len(kept)
        for layer in keepers:
            ends = {*layer.inputs, layer.output}
            if kept & ends:
                kept |= ends
        grows = len(kept) > before
    return kept


def _with_layers(graph: Graph, layers: list[Layer], tensors: Mapping[str, Tensor]) -> Graph:
    used = {*graph.inputs, *(x.output for x in layers)}
    return replace(
        graph,
        layers=tuple(layers),
        tensors={name: tensor for name, tensor in tensors.items() if name in used},
        outputs=graph.outputs,
    )
