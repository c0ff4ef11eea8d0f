"""The float network on calibration inputs, the same bits on every machine.

`ops.reference` leaves the order of its sums to BLAS. Here every activation is rounded to a grid,
and operators that have a part `exact` use that; all others compute element by element in an order
that is written down. The values differ from the reference's by a few parts in 2**18 of a tensor's
largest, far below a step of int8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import on_grid
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.table import operator_of, part

__all__ = ["ExactRun"]

Array = NDArray[Any]


class ExactRun:
    """A float32 network made ready to be run on many inputs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._layers = [(layer, self._prepared(layer)) for layer in graph.layers]

    def __call__(self, x: Array) -> dict[str, Array]:
        """Every tensor by name, float32 `[N, H, W, C]`, for the inputs `x` `[N, H, W, C]`.

        An image's values do not depend on the other images.
        """
        (name,) = self._graph.inputs
        values = {name: on_grid(np.array(x, np.float32, order="C"))}
        for layer, compute in self._layers:
            values[layer.output] = on_grid(compute([values[source] for source in layer.inputs]))
        return values

    def _prepared(self, layer: Layer) -> Callable[[list[Array]], Array]:
        exact = part(operator_of(layer), "exact")
        made: Callable[[list[Array]], Array] | None = exact.prepare(layer) if exact else None
        return made or (lambda inputs: run_layer(self._graph, layer, inputs))
