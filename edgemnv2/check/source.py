"""Our reference against the framework that made the file: an import fault cannot pass.

The NumPy reference and every compiled output come from one import, so they agree even where that
import is wrong. Here the reference is held against the framework itself, and the first layer that
differs is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.check.frameworks import framework_name, run_source
from edgemnv2.ops.execute import run
from edgemnv2.ops.graph import Graph, Tensor
from edgemnv2.samples.images import to_source

__all__ = ["SourceCheck", "check_source"]

Array = NDArray[Any]
FLOAT_TOLERANCE = 1e-4
"""Of the largest value: the order of summation differs, nothing else."""


@dataclass(frozen=True)
class SourceCheck:
    """What the framework says of our reference. `layer` is the first that differs, None for none.

    `different` of `elements` output values differ, by `max_abs_error` at most (stored values).
    """

    passed: bool
    framework: str
    samples: int
    elements: int
    different: int
    max_abs_error: float
    layer: str | None = None
    tensor: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


def check_source(graph: Graph, source: Path, batch: Array | Mapping[str, Array]) -> SourceCheck:
    """Run `batch` through both, sample by sample.

    It is `[N, H, W, C]` of the graph's own input type, or one such array for each input by name.

    Integer outputs must be equal, floats within 1e-4 of the largest. Raises InputError where the
    framework refuses the file.
    """
    elements = different = 0
    worst = 0.0
    blamed: tuple[str, str] | None = None
    if isinstance(batch, np.ndarray):
        batch = {graph.input_specs[0].name: batch}
    samples = min(len(array) for array in batch.values())
    for index in range(samples):
        sample = {name: array[index : index + 1] for name, array in batch.items()}
        ours = run(graph, sample)
        given = {spec.name: to_source(sample[spec.name], spec) for spec in graph.input_specs}
        theirs = run_source(source, given)
        for name, end in zip(graph.outputs, graph.output_specs, strict=True):
            mine, other = to_source(ours[name], end), theirs[end.name]
            count, error = _differences(mine.reshape(-1), other.reshape(-1))
            elements, different = elements + mine.size, different + count
            worst = max(worst, error)
        if different and blamed is None:
            blamed = _first_layer(graph, ours, theirs)
    return SourceCheck(
        passed=not different,
        framework=framework_name(source),
        samples=samples,
        elements=elements,
        different=different,
        max_abs_error=worst,
        layer=None if blamed is None else blamed[0],
        tensor=None if blamed is None else blamed[1],
    )


def _differences(mine: Array, other: Array) -> tuple[int, float]:
    """How many values differ more than they may, and by how much at most."""
    if mine.shape != other.shape:
        return max(mine.size, other.size), float("inf")
    gap = np.abs(mine.astype(np.float64) - other.astype(np.float64))
    allowed = 0.0
    if mine.dtype.kind == "f":
        finite = np.abs(other[np.isfinite(other)])
        allowed = FLOAT_TOLERANCE * float(finite.max(initial=1e-6))
    return int((~(gap <= allowed)).sum()), float(gap.max(initial=0.0))


def _first_layer(
    graph: Graph, ours: Mapping[str, Array], theirs: Mapping[str, Array]
) -> tuple[str, str] | None:
    """The first layer whose output the framework computes otherwise, and the file's name of it."""
    for layer in graph.layers:
        origin = graph.origins.get(layer.output, "")
        if origin not in theirs:
            continue
        tensor = graph.tensor_out(layer)
        forms = _as_map(theirs[origin], tensor)
        if not forms:
            continue
        mine = _real(ours[layer.output][0], tensor)
        if min(_differences(mine.reshape(-1), form.reshape(-1))[0] for form in forms):
            return layer.name, origin
    return None


def _real(x: Array, tensor: Tensor) -> Array:
    """Stored values with their zero point taken off; floats as they are."""
    return x if tensor.quant is None else x.astype(np.int64) - tensor.quant.zero_point


def _as_map(theirs: Array, tensor: Tensor) -> Sequence[Array]:
    """The framework's tensor as our map: in its own order, or from NCHW; none of another size."""
    if theirs.size != tensor.height * tensor.width * tensor.channels:
        return []
    stored = theirs
    if tensor.quant is not None:
        if theirs.dtype.kind not in "iu":
            return []
        # uint8 there may be int8 here, 128 lower.
        shift = int(np.iinfo(theirs.dtype).min) - int(np.iinfo(tensor.dtype).min)
        stored = theirs.astype(np.int64) - (tensor.quant.zero_point + shift)
    elif theirs.dtype.kind != "f":
        return []
    forms = [stored.reshape(tensor.shape)]
    if stored.ndim == 4:
        forms.append(stored.transpose(0, 2, 3, 1).reshape(tensor.shape))
    return forms
