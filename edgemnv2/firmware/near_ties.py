"""What of a sample's outputs the last bits of floats decide, which no two engines have in common.

The reference is run again with every float that a layer computes moved a little, by no more than
another order of sums may do. What comes out otherwise then is a near tie: the class of a pixel, the
order of two answers. A self-test must not call such a difference wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.compare import FLOAT_TOLERANCE
from edgemnv2.check.decisions import decided_by_floats
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["near_ties", "nudged_runs"]

Array = NDArray[Any]
RUNS = 3
SHARE = 0.25
"""Of what the outputs may differ by: how far each layer's values are moved."""


def nudged_runs(
    graph: Graph, sample: Mapping[str, Array], relative: float | None
) -> list[dict[str, Array]]:
    """Outputs by the graph's names of runs whose floats are moved; none where nothing is computed.

    `sample` is by the source's names; `relative` is what outputs may differ by, of the largest.
    """
    if not any(_is_computed(graph, layer) for layer in graph.layers):
        return []
    reach = SHARE * (FLOAT_TOLERANCE if relative is None else relative)
    return [_nudged(graph, sample, reach, np.random.default_rng(seed)) for seed in range(RUNS)]


def near_ties(
    graph: Graph,
    expected: Mapping[str, Array],
    tolerances: Mapping[str, float],
    runs: list[dict[str, Array]],
) -> dict[str, int]:
    """How many elements of each output, by the graph's names, are otherwise in one of the `runs`.

    None of outputs that no layer decides about.
    """
    decided = decided_by_floats(graph)
    found = dict.fromkeys(graph.outputs, 0)
    for name in decided.intersection(graph.outputs):
        right, allowed = expected[name], tolerances[name]
        apart = np.zeros(right.shape, bool)
        for made in runs:
            difference = np.abs(right.astype(np.float64) - made[name].astype(np.float64))
            apart |= ~(difference <= allowed)
        found[name] = int(apart.sum())
    return found


def _is_computed(graph: Graph, layer: Layer) -> bool:
    return graph.tensor_out(layer).dtype == "float32" and not layer.moves_values


def _nudged(
    graph: Graph, sample: Mapping[str, Array], reach: float, random: np.random.Generator
) -> dict[str, Array]:
    ends = zip(graph.inputs, graph.input_specs, strict=True)
    values = {name: sample[spec.name] for name, spec in ends}
    for layer in graph.layers:
        made = run_layer(graph, layer, [values[name] for name in layer.inputs])
        if _is_computed(graph, layer):
            largest = float(np.abs(made).max(initial=0.0))
            moved = random.uniform(-reach * largest, reach * largest, made.shape)
            made = (made + moved).astype(np.float32)
        values[layer.output] = made
    return {name: values[name] for name in graph.outputs}
