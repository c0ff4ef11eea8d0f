"""Layer by layer on the framework's own inputs: how many values our arithmetic gives otherwise.

End to end two engines of a quantised network drift apart, since one value in a million that rounds
otherwise spreads through the layers behind it. So each layer gets here what the framework itself
had in front of that layer, and its output is compared with the framework's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.unary import Unary

__all__ = ["FLOAT_TOLERANCE", "LayerErrors", "compare_layers"]

Array = NDArray[Any]
Allowance = Callable[[Graph, Layer, Sequence[Array], Array], float]
"""Of a layer, its inputs and its output as it should be: by how much a value may differ."""

FLOAT_TOLERANCE = 1e-4
"""Of the largest value: the order of summation differs, nothing else."""


@dataclass(frozen=True)
class LayerErrors:
    """`different` of `values` outputs of a layer differ, by `largest` at most (stored values).

    `tensor` is the file's name of the output. Floats differ from 1e-4 of the largest value on, and
    `largest` is relative to it. `excess` values differ by more than they may. Of a table (of
    256 values) `entries` differ, in the worst sample.
    """

    layer: str
    op: str
    tensor: str
    integer: bool
    values: int
    different: int
    largest: float
    excess: int = 0
    entries: int = 0


def compare_layers(
    graph: Graph,
    sample: Mapping[str, Array],
    theirs: Mapping[str, Array],
    found: dict[str, LayerErrors],
    allowance: Allowance | None = None,
) -> dict[str, Array]:
    """Add one sample to `found`, by layer: our layers on `theirs`, the framework's tensors.

    Returns all tensors by the graph's names: the framework's, where it has them.
    """
    values: dict[str, Array] = {
        name: sample[spec.name] for name, spec in zip(graph.inputs, graph.input_specs, strict=True)
    }
    # By how much what has no tensor in the file may differ: nothing puts it right.
    slack = dict.fromkeys(values, 0.0)
    for layer in graph.layers:
        target = graph.tensor_out(layer)
        inputs = [values[x] for x in layer.inputs]
        ours = run_layer(graph, layer, inputs)
        values[layer.output] = ours
        origin = graph.origins.get(layer.output)
        inherited = max((slack[x] for x in layer.inputs), default=0.0) * layer.moves_values
        # LiteRT's own temporaries have no name either.
        other = None
        if origin:
            other = _as_stored(theirs.get(origin), target, ours, graph.orders.get(layer.output))
        if other is None:
            own = 0.0 if allowance is None else allowance(graph, layer, inputs, ours)
            slack[layer.output] = inherited if layer.moves_values else own
            continue
        assert origin is not None
        values[layer.output], slack[layer.output] = other, 0.0
        allowed = 0.0 if allowance is None else allowance(graph, layer, inputs, other)
        allowed += inherited
        different, largest, excess = _compare(ours, other, allowed)
        before = found.get(layer.name)
        found[layer.name] = LayerErrors(
            layer.name,
            layer.op,
            origin,
            target.quant is not None,
            ours.size + (before.values if before else 0),
            different + (before.different if before else 0),
            max(largest, before.largest if before else 0.0),
            excess + (before.excess if before else 0),
            max(_entries(layer, inputs, ours, other), before.entries if before else 0),
        )
    return values


def _entries(layer: Layer, inputs: Sequence[Array], ours: Array, other: Array) -> int:
    """How many entries of the layer's table give another value; 0 where it has no table."""
    if not isinstance(layer, Unary) or layer.table is None:
        return 0
    return int(np.unique(inputs[0][ours != other]).size)


def _compare(ours: Array, other: Array, allowed: float = 0.0) -> tuple[int, float, int]:
    """Values that differ, by how much at most, and how many by more than `allowed`."""
    if ours.dtype.kind == "f" and other.dtype.kind == "f":
        # LiteRT's kernels have no infinities: what is added up ends at the largest number.
        ends = np.finfo(np.float32)
        ours, other = (np.clip(x, ends.min, ends.max) for x in (ours, other))
    same = (ours == other) | ((ours != ours) & (other != other))
    with np.errstate(invalid="ignore"):
        gap = np.where(same, 0.0, np.abs(ours.astype(np.float64) - other.astype(np.float64)))
    gap = np.where(np.isnan(gap), np.inf, gap)
    excess = int((gap > allowed).sum())
    if ours.dtype.kind == "f":
        gap = gap / _largest(other)
        return int((gap > FLOAT_TOLERANCE).sum()), float(gap.max(initial=0.0)), excess
    return int((gap > 0).sum()), float(gap.max(initial=0.0)), excess


def _largest(values: Array) -> float:
    return max(float(np.abs(values[np.isfinite(values)]).max(initial=0.0)), 1e-6)


def _as_stored(
    theirs: Array | None, tensor: Tensor, ours: Array, order: tuple[int, ...] | None
) -> Array | None:
    """The framework's tensor as we store it; None where it is another one.

    Its axes are in `order`; without, in their own, or with channels last instead of second: what is
    nearer to ours.
    """
    if theirs is None or theirs.size != ours.size:
        return None
    stored = theirs
    if tensor.quant is not None:
        if theirs.dtype.kind not in "iu":
            return None
        # uint8 there may be int8 here, 128 lower.
        shift = int(np.iinfo(theirs.dtype).min) - int(np.iinfo(tensor.dtype).min)
        stored = theirs.astype(np.int64) - shift
    elif (theirs.dtype.kind == "f") != (ours.dtype.kind == "f"):
        return None
    if order is not None and len(order) == stored.ndim:
        return stored.transpose(order).reshape(ours.shape).astype(ours.dtype)
    forms = [stored.reshape(ours.shape)]
    if stored.ndim > 2:
        forms.append(np.moveaxis(stored, 1, -1).reshape(ours.shape))
    return min(forms, key=lambda form: _distance(ours, form)).astype(ours.dtype)


def _distance(ours: Array, other: Array) -> tuple[int, float]:
    """How many values differ, and by how much in all: of dynamic networks all of them do."""
    with np.errstate(all="ignore"):
        gap = np.abs(ours.astype(np.float64) - other.astype(np.float64))
    return _compare(ours, other)[0], float(gap[np.isfinite(gap)].sum())
