"""uint8 <-> int8 of one scale -> the layer beside it; int8 everywhere but at the network's ends.

A uint8 value with zero point z and the int8 value 128 lower with zero point z - 128 are the same
real number, so a recast is a choice of storage, not arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.rescale.layer import Rescale

__all__ = ["absorb_recasts"]

SHIFT = 128


def absorb_recasts(graph: Graph) -> Graph:
    """The graph without recasts, its inner activations int8."""
    return _inner_to_int8(_drop_recasts(graph))


def _is_recast(graph: Graph, layer: Layer) -> bool:
    """Whether a `Rescale` keeps every real value that its clamp lets through.

    The scales are equal, and the zero points as far apart as the types.
    """
    if not isinstance(layer, Rescale):
        return False
    a, b = graph.tensor_in(layer), graph.tensor_out(layer)
    if a.quant is None or b.quant is None:
        return False
    shift = int(np.iinfo(b.dtype).min) - int(np.iinfo(a.dtype).min)
    return a.quant.scale == b.quant.scale and a.quant.zero_point + shift == b.quant.zero_point


def _is_plain(graph: Graph, layer: Layer) -> bool:
    """Whether the clamp of a `Rescale` lets every value of its type through."""
    assert isinstance(layer, Rescale)
    limits = np.iinfo(graph.tensor_out(layer).dtype)
    return layer.clamp == (limits.min, limits.max)


def _drop_recasts(graph: Graph) -> Graph:
    ends = {*graph.inputs, *graph.outputs}
    names: dict[str, str] = {}
    layers: list[Layer] = []
    for layer in graph.layers:
        source = names.get(layer.inputs[0], layer.inputs[0])
        if _is_recast(graph, layer):
            plain = _is_plain(graph, layer)
            if plain and layer.output not in ends:
                # Readers take the source itself, with its own zero point.
                names[layer.output] = source
                continue
            readers = [x for x in graph.layers if layer.inputs[0] in x.inputs]
            alone = source not in ends and source == layer.inputs[0] and len(readers) == 1
            producer = next((x for x in layers if x.output == source), None)
            if alone and producer is not None and (plain or hasattr(producer, "clamp")):
                # The producer writes the output's storage, clamped as the recast was.
                layers[layers.index(producer)] = _retype(producer, layer, graph.tensors)
                continue
        inputs = tuple(names.get(x, x) for x in layer.inputs)
        layers.append(layer if inputs == layer.inputs else replace(layer, inputs=inputs))
    return _with_layers(graph, layers, graph.tensors)


def _retype(producer: Layer, recast: Layer, tensors: Mapping[str, Tensor]) -> Layer:
    """`producer` writing what `recast` made of its output."""
    old, new = tensors[producer.output], tensors[recast.output]
    assert old.quant is not None and new.quant is not None and isinstance(recast, Rescale)
    shift = new.quant.zero_point - old.quant.zero_point
    changes: dict[str, object] = {"name": recast.output, "output": recast.output}
    if hasattr(producer, "clamp"):
        low, high = recast.clamp
        bottom, top = producer.clamp
        changes["clamp"] = tuple(min(max(x + shift, low), high) for x in (bottom, top))
    return replace(producer, **changes)  # type: ignore[arg-type]


def _inner_to_int8(graph: Graph) -> Graph:
    ends = {*graph.inputs, *graph.outputs}
    tensors = dict(graph.tensors)
    keep = ends | _uint8_pooling(graph)
    for name, tensor in graph.tensors.items():
        if tensor.dtype == "uint8" and name not in keep:
            assert tensor.quant is not None
            quant = QuantParams(tensor.quant.scale, tensor.quant.zero_point - SHIFT)
            tensors[name] = replace(tensor, dtype="int8", quant=quant)
    layers = [
        _retype_in_place(x) if tensors[x.output].dtype != graph.tensor_out(x).dtype else x
        for x in graph.layers
    ]
    return _with_layers(graph, layers, tensors)


def _uint8_pooling(graph: Graph) -> set[str]:
    """Tensors around an AVERAGE_POOL whose halves would round the other way below zero.

    Halves are rounded away from zero in *stored* values; they occur for even counts only.
    """
    kept: set[str] = set()
    for layer in graph.layers:
        if isinstance(layer, GlobalAveragePool) and layer.requantize is None:
            source = graph.tensor_in(layer)
            if source.dtype == "uint8" and source.height * source.width % 2 == 0:
                kept.update((layer.inputs[0], layer.output))
    return kept


def _retype_in_place(layer: Layer) -> Layer:
    if not hasattr(layer, "clamp"):
        return layer
    low, high = layer.clamp
    return replace(layer, clamp=(low - SHIFT, high - SHIFT))  # type: ignore[call-arg]


def _with_layers(graph: Graph, layers: list[Layer], tensors: Mapping[str, Tensor]) -> Graph:
    used = {*graph.inputs, *(x.output for x in layers)}
    return replace(
        graph,
        layers=tuple(layers),
        tensors={name: tensor for name, tensor in tensors.items() if name in used},
        outputs=graph.outputs,
    )
