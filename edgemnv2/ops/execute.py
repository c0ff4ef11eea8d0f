"""The walk: a `Graph` executed layer by layer in NumPy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import InputError
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["by_source", "outputs", "run", "run_layer"]

Array = NDArray[Any]


def run(graph: Graph, inputs: Array | Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
    """Every tensor of `graph` by its name in the graph, `[N, H, W, C]` each.

    `inputs` by the source's names, as `graph.input_specs` has them, or one array where there is one
    input; `[N, H, W, C]` or `[H, W, C]` each, in the graph's own types. `keep=False` gives the
    outputs only and frees each tensor after its last reader. Integer layers are exact (TFLite's
    reference arithmetic), float layers are float32.

    Raises InputError where an input is missing, or has another shape or type.
    """
    values = _inputs(graph, inputs)
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


def by_source(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """The outputs among `values` by the names that the source gives them."""
    ends = zip(graph.outputs, graph.output_specs, strict=True)
    return {spec.name: values[name] for name, spec in ends}


def _inputs(graph: Graph, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
    """The graph's inputs as batches of one size, by the graph's names."""
    names = [spec.name for spec in graph.input_specs]
    if isinstance(inputs, np.ndarray):
        if len(names) != 1:
            raise InputError(
                f"{graph.name}: one array for {len(names)} inputs (give a mapping with "
                f"{', '.join(map(repr, names))})"
            )
        inputs = {names[0]: inputs}
    missing = [name for name in names if name not in inputs]
    if missing:
        found = ", ".join(map(repr, inputs)) or "nothing"
        raise InputError(f"{graph.name}: no input {missing[0]!r} (found {found})")
    values: dict[str, Array] = {}
    for name, source in zip(graph.inputs, names, strict=True):
        tensor, x = graph.tensors[name], np.asarray(inputs[source])
        batch = x[np.newaxis] if x.ndim == 3 else x
        if batch.ndim != 4 or batch.shape[1:] != tensor.shape:
            raise InputError(
                f"{graph.name}: input of shape {list(x.shape)} does not suit {source!r}: "
                f"give [N, {', '.join(map(str, tensor.shape))}] (NHWC)"
            )
        if batch.dtype != np.dtype(tensor.dtype):
            raise InputError(
                f"{graph.name}: input of dtype {x.dtype} does not suit {source!r}: "
                f"give {tensor.dtype}"
            )
        values[name] = np.ascontiguousarray(batch)
    counts = {len(x) for x in values.values()}
    if len(counts) > 1:
        raise InputError(
            f"{graph.name}: inputs hold {' and '.join(map(str, sorted(counts)))} samples (must be "
            "equally many)"
        )
    return values


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
