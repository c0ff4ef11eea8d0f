"""The float network on calibration inputs, the same bits on every machine.

`ops.reference` leaves the order of its sums to BLAS. Here every activation is rounded to a grid,
and operators that have a part `exact` use that; all others compute element by element in an order
that is written down. The values differ from the reference's by a few parts in 2**18 of a tensor's
largest, far below a step of int8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import on_grid
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["ExactRun", "Inputs", "by_tensor"]

Array = NDArray[Any]
Inputs = Array | Mapping[str, Array]
"""By the source's names of the inputs, or one array where there is one."""


class ExactRun:
    """A float32 network made ready to be run on many inputs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._layers = [(layer, self._prepared(layer)) for layer in graph.layers]

    def __call__(self, x: Inputs) -> dict[str, Array]:
        """Every tensor by name, `[N, H, W, C]`, for the inputs `x` `[N, H, W, C]`.

        An image's values do not depend on the other images.
        """
        inputs = by_tensor(self._graph, x)
        values = {name: self._rounded(name, np.array(x)) for name, x in inputs.items()}
        for layer, compute in self._layers:
            made = compute([values[source] for source in layer.inputs])
            values[layer.output] = self._rounded(layer.output, made)
        return values

    def _rounded(self, name: str, values: Array) -> Array:
        """Floats on their grid; other numbers as they are."""
        if self._graph.tensors[name].dtype != "float32":
            return values
        # In place, and what a layer only moves may be a view of its source.
        own = values.base is None and values.flags.c_contiguous
        return on_grid(values if own else np.array(values, np.float32, order="C"))

    def _prepared(self, layer: Layer) -> Callable[[list[Array]], Array]:
        exact = part(operator_of(layer), "exact")
        made: Callable[[list[Array]], Array] | None = (
            exact.prepare(layer, self._graph.tensor_out(layer)) if exact else None
        )
        return made or (lambda inputs: run_layer(self._graph, layer, inputs))


def by_tensor(graph: Graph, x: Inputs) -> dict[str, Array]:
    """The inputs by the graph's own names."""
    if isinstance(x, Mapping):
        ends = zip(graph.inputs, graph.input_specs, strict=True)
        return {name: x[spec.name] for name, spec in ends}
    (name,) = graph.inputs
    return {name: x}
