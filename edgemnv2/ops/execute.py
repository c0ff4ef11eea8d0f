"""The walk: a `Graph` executed layer by layer in NumPy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import InputError
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["outputs", "run", "run_layer"]

Array = NDArray[Any]


def run(graph: Graph, x: Array, keep: bool = True) -> dict[str, Array]:
    """Every tensor of `graph` by name, `[N, H, W, C]` each, for the input `x`.

    `x` is `[N, H, W, C]` or `[H, W, C]` in the graph's own input type. `keep=False` gives the
    outputs only and frees each tensor after its last reader. Integer layers are exact (TFLite's
    reference arithmetic), float layers are float32.

    Raises InputError where `x` has another shape or type.
    """
    (name,) = graph.inputs
    tensor = graph.tensors[name]
    batch = x[np.newaxis] if x.ndim == 3 else x
    if batch.ndim != 4 or batch.shape[1:] != tensor.shape:
        raise InputError(
            f"{graph.name}: input of shape {list(x.shape)} does not suit {name!r}: "
            f"give [N, {', '.join(map(str, tensor.shape))}] (NHWC)"
        )
    if batch.dtype != np.dtype(tensor.dtype):
        raise InputError(
            f"{graph.name}: input of dtype {x.dtype} does not suit {name!r}: give {tensor.dtype}"
        )
    values = {name: np.ascontiguousarray(batch)}
    readers = Counter(source for layer in graph.layers for source in layer.inputs)
    readers.update(graph.outputs)
    for layer in graph.layers:
        values[layer.output] = run_layer(graph, layer, [values[x] for x in layer.inputs])
        if not keep:
            for source in layer.inputs:
                readers[source] -= 1
                if not readers[source]:
                    del values[source]
    return values if keep else {output: values[output] for output in graph.outputs}


def run_layer(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output of one layer, `[N, H, W, C]`, from its inputs."""
    output: Array = part(operator_of(layer), "reference").run(graph, layer, inputs)
    return output


def outputs(graph: Graph, x: Array, batch: int = 16) -> Array:
    """The first output of `graph` for many inputs, `[N, H, W, C]`, batch by batch."""
    parts = [
        run(graph, x[first : first + batch], keep=False)[graph.outputs[0]]
        for first in range(0, len(x), batch)
    ]
    return np.concatenate(parts)
