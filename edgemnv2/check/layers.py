"""Layer by layer on the framework's own inputs: how many values our arithmetic gives otherwise.

End to end two engines of a quantised network drift apart, since one value in a million that rounds
otherwise spreads through the layers behind it. So each layer gets here what the framework itself
had in front of that layer, and its output is compared with the framework's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.frameworks import run_source
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.samples.images import to_source

__all__ = ["LayerErrors", "layer_errors"]

Array = NDArray[Any]


@dataclass(frozen=True)
class LayerErrors:
    """`different` of `values` outputs of a layer differ, by `largest` at most (stored values).

    `tensor` is the file's name of the output. Floats are compared relative to the largest value.
    """

    layer: str
    op: str
    tensor: str
    integer: bool
    values: int
    different: int
    largest: float


def layer_errors(graph: Graph, source: Path, batch: Array) -> tuple[LayerErrors, ...]:
    """Every layer whose output the file names, for the samples `batch` `[N, H, W, C]`.

    What lies between two named tensors (a rescaled operand of a concatenation) counts as one layer.
    Raises InputError where the framework refuses the file.
    """
    found: dict[str, LayerErrors] = {}
    spec = graph.input_specs[0]
    for index in range(len(batch)):
        sample = batch[index : index + 1]
        theirs = run_source(source, {spec.name: to_source(sample, spec)})
        values: dict[str, Array] = {graph.inputs[0]: sample}
        for layer in graph.layers:
            target = graph.tensor_out(layer)
            ours = run_layer(graph, layer, [values[x] for x in layer.inputs])
            values[layer.output] = ours
            origin = graph.origins.get(layer.output, "")
            other = _stored(theirs.get(origin), target, ours)
            if other is None:
                continue
            values[layer.output] = other
            different, largest = _compare(ours, other)
            before = found.get(layer.name)
            found[layer.name] = LayerErrors(
                layer.name,
                layer.op,
                origin,
                target.quant is not None,
                ours.size + (before.values if before else 0),
                different + (before.different if before else 0),
                max(largest, before.largest if before else 0.0),
            )
    return tuple(found.values())


def _compare(ours: Array, other: Array) -> tuple[int, float]:
    gap = np.abs(ours.astype(np.float64) - other.astype(np.float64))
    if ours.dtype.kind == "f":
        gap = gap / max(float(np.abs(other).max(initial=0.0)), 1e-6)
        return int((gap > FLOAT_TOLERANCE).sum()), float(gap.max(initial=0.0))
    return int((gap > 0).sum()), float(gap.max(initial=0.0))


FLOAT_TOLERANCE = 1e-4
"""Of the largest value: the order of summation differs, nothing else."""


def _stored(theirs: Array | None, tensor: Tensor, ours: Array) -> Array | None:
    """The framework's tensor as we store it; None where it is another one.

    Of its own order and NCHW, the form that is nearer to ours.
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
    elif theirs.dtype.kind != "f":
        return None
    return min(_forms(stored, ours.shape), key=lambda form: _compare(ours, form)[0]).astype(
        ours.dtype
    )


def _forms(stored: Array, shape: Sequence[int]) -> list[Array]:
    forms = [stored.reshape(shape)]
    if stored.ndim == 4:
        forms.append(stored.transpose(0, 2, 3, 1).reshape(shape))
    return forms


def total_of(errors: Sequence[LayerErrors]) -> Mapping[str, int]:
    """Values and differences of all integer layers together."""
    integer = [x for x in errors if x.integer]
    return {
        "values": sum(x.values for x in integer),
        "different": sum(x.different for x in integer),
    }
