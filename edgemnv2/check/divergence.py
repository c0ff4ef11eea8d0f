"""Which layer was the first to differ, and whether what differs can be compared at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.compare import Divergence, first_divergence
from edgemnv2.errors import EdgeError, InputError
from edgemnv2.ops import execute
from edgemnv2.ops.convolution.layer import Weighted
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.runners.base import Runner, RunResult, TraceRow

__all__ = ["diverging_layer", "traced_tensors"]

Array = NDArray[Any]

ROUNDINGS = 8
"""Of a sum, in units of the last place of all its terms together."""


def diverging_layer(
    artifact: Artifact, runner: Runner, graph: Graph, sample: Mapping[str, Array]
) -> dict[str, Any] | None:
    """The first layer of one sample that differs, as JSON has it; None where none is seen to.

    Raises InputError where the reference leaves the range of float32, or what is left of a sum is
    the rounding of its terms: neither can be compared with anything.
    """
    _check_range(graph, sample)
    try:
        result = runner.run(artifact, [sample], trace=True)
    except EdgeError as error:
        # The verdict stands without it; say why there is no name.
        return {"layer": None, "reason": str(error)}
    values, traced = execute.run(graph, sample), traced_tensors(graph, artifact, result)
    found = first_divergence(graph, values, traced)
    if found is None:
        return None
    layer = graph.layers[found.index]
    _check_cancellation(graph, layer, values, traced[layer.output])
    return _as_dict(found)


def _check_range(graph: Graph, sample: Mapping[str, Array]) -> None:
    """InputError where the reference computes what is no number or infinite."""
    values = execute.run(graph, sample)
    for layer in graph.layers:
        made = values[layer.output]
        if layer.has_clamp and made.dtype == np.float32:
            # A clamp hides it: what is no number comes out at one of its ends.
            free = layer.with_clamp((-np.inf, np.inf))
            made = execute.run_layer(graph, free, [values[x] for x in layer.inputs])
        if not np.isfinite(made).all():
            raise InputError(
                f"layer {layer.name!r}: the reference itself leaves the range of float32 there, so "
                "that outputs cannot be compared (expected finite values); look at the weights of "
                "the model and at the range of the input (preprocess=)"
            )


def _check_cancellation(
    graph: Graph, layer: Layer, values: Mapping[str, Array], actual: Array
) -> None:
    """InputError where the terms of sums cancel until what is left is their rounding.

    Which digits float32 loses of such a sum depends on the order of summation: neither the
    reference nor the code is right.
    """
    if not isinstance(layer, Weighted) or actual.dtype != np.float32:
        return
    sizes = replace(layer, weight=np.abs(layer.weight), bias=np.abs(layer.bias))
    terms = execute.run_layer(
        graph, sizes.with_clamp((-np.inf, np.inf)), [np.abs(values[x]) for x in layer.inputs]
    )
    noise = ROUNDINGS * np.spacing(terms)
    expected = values[layer.output]
    if (np.abs(actual - expected) <= noise).all():
        at = np.unravel_index(int(np.abs(actual - expected).argmax()), expected.shape)
        raise InputError(
            f"layer {layer.name!r}: terms of {terms[at]:.2g} in all cancel to {expected[at]:.2g} "
            f"there, and of such sums float32 keeps multiples of {np.spacing(terms[at]):.2g}, so "
            "that outputs cannot be compared (expected weights that do not grow without bound); "
            "look at the weights of the model and at the range of the input (preprocess=)"
        )


def traced_tensors(graph: Graph, artifact: Artifact, result: RunResult) -> dict[str, Array]:
    """Tensors `[1, H, W, C]` put together from traced rows, where all rows came in plain NHWC."""
    padded = set(artifact.manifest.packed_rows)
    rows: dict[int, list[TraceRow]] = {}
    for row in result.trace:
        rows.setdefault(row.layer, []).append(row)
    tensors = {}
    # The artefact may have layers that the network came without, and the other way round.
    by_name = {layer.name: layer for layer in graph.layers}
    for index, parts in rows.items():
        layer = by_name.get(artifact.manifest.layers[index].name)
        if layer is None:
            continue
        tensor = graph.tensor_out(layer)
        if tensor.name in padded:
            continue
        array = np.zeros(tensor.size_bytes, np.uint8)
        got = 0
        for part in parts:
            if len(part.data) % tensor.row_bytes:
                continue
            start = part.row * tensor.row_bytes
            if start + len(part.data) > len(array):
                continue
            array[start : start + len(part.data)] = np.frombuffer(part.data, np.uint8)
            got += len(part.data)
        if got == tensor.size_bytes:
            tensors[tensor.name] = array.view(tensor.dtype).reshape(1, *tensor.shape)
    return tensors


def _as_dict(divergence: Divergence) -> dict[str, Any]:
    return {
        "layer": divergence.layer,
        "op": divergence.op,
        "index": divergence.index,
        "different": divergence.comparison.different,
        "elements": divergence.comparison.elements,
        "max_abs_error": divergence.comparison.max_abs_error,
        "position": list(divergence.comparison.position or ()),
        "expected": divergence.expected,
        "actual": divergence.actual,
    }
