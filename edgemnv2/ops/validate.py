"""What every lowered graph keeps; a breach is a bug of ours, hence ValueError."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.checks import expect
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["validate"]


def validate(graph: Graph) -> Graph:
    """The graph itself, if its shapes, order, definitions and factors are right."""
    defined = set(graph.inputs)
    for layer in graph.layers:
        for name in layer.inputs:
            expect(name in defined, layer, f"reads {name!r} before it is made")
        expect(layer.output not in defined, layer, f"makes {layer.output!r} again")
        defined.add(layer.output)
        _check_numbers(graph, layer)
        part(operator_of(layer), "check").check(graph, layer)
    if set(graph.tensors) != defined:
        raise ValueError(f"tensors without a definition: {sorted(set(graph.tensors) ^ defined)}")
    for name in graph.outputs:
        if name not in defined:
            raise ValueError(f"output {name!r} is never made")
    read = {name for layer in graph.layers for name in layer.inputs} | set(graph.outputs)
    for layer in graph.layers:
        expect(layer.output in read, layer, "is read by nobody")
    if len({x.name for x in graph.layers}) != len(graph.layers):
        raise ValueError("two layers have one name")
    return graph


def _check_numbers(graph: Graph, layer: Layer) -> None:
    y = graph.tensor_out(layer)
    if layer.has_clamp:
        clamp = layer.clamp_ends
        expect(clamp[0] <= clamp[1], layer, f"clamp {clamp} is empty")
        if y.dtype in ("int8", "uint8"):
            limits = np.iinfo(y.dtype)
            inside = limits.min <= clamp[0] and clamp[1] <= limits.max
            expect(inside, layer, f"clamp {clamp} outside {y.dtype}")
    if y.dtype == "float32":
        expect(y.quant is None, layer, "float tensor with a scale")
    elif y.dtype in ("int8", "uint8"):
        expect(y.quant is not None and y.quant.scale > 0, layer, "integer tensor without a scale")
