"""Where the last bits of floats decide: the class of a pixel, the order of boxes, a rounded value.

Two right engines add floats in different orders. Where two scores are equal but for their last
bits, one engine names one class and the other another: a near tie. An output behind such a decision
is right where it is what the reference decides, given the very floats that the artefact had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from edgemnv2.check.compare import compare
from edgemnv2.ops.execute import by_source, run_layer
from edgemnv2.ops.graph import Graph

__all__ = ["decided_by_floats", "outputs_of_own_floats"]

Array = NDArray[Any]


def decided_by_floats(graph: Graph) -> frozenset[str]:
    """Tensors behind a layer that decides about floats which some layer computes.

    An input, and what only moves it, is the same in every engine: nothing is computed there.
    """
    computed: set[str] = set()
    decided: set[str] = set()
    for layer in graph.layers:
        from_computed = not computed.isdisjoint(layer.inputs)
        if (from_computed and layer.decides) or not decided.isdisjoint(layer.inputs):
            decided.add(layer.output)
        is_float = graph.tensor_out(layer).dtype == "float32"
        if is_float and (from_computed or not layer.moves_values):
            computed.add(layer.output)
    return frozenset(decided)


def outputs_of_own_floats(
    graph: Graph,
    sample: Mapping[str, Array],
    traced: Mapping[str, Array],
    relative: float | None = None,
) -> dict[str, Array] | None:
    """The outputs, by the source's names, that the reference makes of the artefact's own tensors.

    `traced` has those tensors by the graph's names, `[1, H, W, C]`. Every layer is held against the
    reference on the inputs that it really had, floats within `relative` of the largest value (the
    default `tolerance` without); None where one is wrong.
    """
    ends = zip(graph.inputs, graph.input_specs, strict=True)
    values: dict[str, Array] = {name: sample[spec.name] for name, spec in ends}
    for layer in graph.layers:
        made = run_layer(graph, layer, [values[x] for x in layer.inputs])
        own = traced.get(layer.output)
        values[layer.output] = made if own is None else own
        if own is None:
            continue
        allowed = None if relative is None else relative * float(abs(made).max())
        if not compare(made, own, allowed).passed:
            return None
    return by_source(graph, values)
