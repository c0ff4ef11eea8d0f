"""What calibration needs to know of the float network's activations, collected image by image.

No activation outlives its batch: only limits, histograms, means and covariances are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import ordered_sum
from edgemnv2.errors import ModelError
from edgemnv2.ops.convolution.layer import Weighted
from edgemnv2.ops.graph import Graph
from edgemnv2.quantizer.float_graph import consumers, convolutions, weighted_layers
from edgemnv2.quantizer.float_run import ExactRun, Inputs
from edgemnv2.quantizer.ranges import Histogram
from edgemnv2.quantizer.weights import (
    CovarianceSum,
    Feedback,
    groups_of,
    hands_errors_on,
    mean_patch,
)

__all__ = ["BATCH", "Statistics", "batches", "collect", "count_of"]

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

BATCH = 2
"""Images at a time: a few are faster than one, and more are no faster."""


@dataclass(frozen=True, eq=False)
class Statistics:
    """Of the float network on the calibration inputs, by tensor and by convolution."""

    limits: Mapping[str, tuple[float, float]]
    histograms: Mapping[str, Histogram]
    mean_patches: Mapping[str, Array]
    """By layer name; see `weights.mean_patch`."""
    covariances: Mapping[str, Array]
    """By layer name, where rounding errors are handed on; see `weights.CovarianceSum`."""
    scores: Mapping[str, Array]
    """Of the classes, `[N, classes]`, by the tensor that holds them."""


def count_of(x: Inputs) -> int:
    """How many samples there are."""
    return len(next(iter(x.values())) if isinstance(x, Mapping) else x)


def batches(x: Inputs) -> Iterator[Any]:
    """`x` in portions of `BATCH`, in the form that it has."""
    for first in range(0, count_of(x), BATCH):
        part = slice(first, first + BATCH)
        yield {k: v[part] for k, v in x.items()} if isinstance(x, Mapping) else x[part]


def collect(
    graph: Graph, x: Inputs, scores: Sequence[str], feedback: Feedback, progress: Progress
) -> Statistics:
    """The statistics of `graph` on the inputs `[N, H, W, C]`, in two passes.

    `scores` names the tensors of class scores; `feedback` says which layers have covariances.
    Raises ModelError where an activation is not finite.
    """
    run, count = ExactRun(graph), count_of(x)
    limits = _limits(graph, run, x, progress)
    histograms = {
        name: Histogram(*limits[name], _importance(graph, name), count) for name in limits
    }
    weighted = weighted_layers(graph)
    covariances = {
        layer.name: CovarianceSum(layer, count, feedback.pixels_per_tap)
        for layer in convolutions(graph)
        if hands_errors_on(layer, feedback)
    }
    patches: dict[str, Array] = {}
    found_scores: dict[str, list[Array]] = {name: [] for name in scores}
    done = 0
    for batch in batches(x):
        values, size = run(batch), count_of(batch)
        for name, found in found_scores.items():
            found.append(values[name].reshape(size, -1))
        for name, histogram in histograms.items():
            histogram.add(values[name])
        for layer in weighted:
            source = values[layer.inputs[0]]
            share = mean_patch(layer, source, out=graph.tensor_out(layer)) * (size / count)
            patches[layer.name] = patches.get(layer.name, 0.0) + share
            if layer.name in covariances:
                covariances[layer.name].add(source)
        done += size
        progress("collect statistics", done, count)
    sums = {name: total.covariance() for name, total in covariances.items()}
    return Statistics(
        limits,
        histograms,
        patches,
        {name: covariance for name, covariance in sums.items() if covariance is not None},
        {name: np.concatenate(found) for name, found in found_scores.items()},
    )


def _limits(
    graph: Graph, run: ExactRun, x: Inputs, progress: Progress
) -> dict[str, tuple[float, float]]:
    """Least and greatest value of every tensor of floats."""
    limits: dict[str, tuple[float, float]] = {}
    made_by = {layer.output: layer.name for layer in graph.layers}
    done = 0
    for batch in batches(x):
        for name, values in run(batch).items():
            if graph.tensors[name].dtype != "float32":
                continue
            low, high = float(values.min()), float(values.max())
            # A NaN spreads to both.
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ModelError(
                    f"{graph.source}: layer {made_by.get(name, name)!r} gives NaN or infinite "
                    "values on the calibration inputs (must be finite); check the model and the "
                    "preprocessing"
                )
            old = limits.get(name, (low, high))
            limits[name] = min(old[0], low), max(old[1], high)
        done += count_of(batch)
        progress("measure limits", done, count_of(x))
    return limits


def _importance(graph: Graph, name: str) -> Array:
    """How strongly the error of each channel of a tensor is felt by those who read it, `[C]`."""
    importance = np.zeros(graph.tensors[name].channels)
    for reader in consumers(graph, name):
        if isinstance(reader, Weighted):
            power = reader.weight.astype(np.float64) ** 2
            if reader.mixes_channels:
                power = _by_input(reader, power)
            importance += ordered_sum(power.reshape(-1, len(importance)))
        else:
            importance += 1.0
    return importance


def _by_input(layer: Weighted, power: Array) -> Array:
    """`power` `[KH, KW, Cin of a group, Cout]` summed over the outputs: `[KH, KW, Cin]`."""
    groups = groups_of(layer)
    if groups == 1:
        return ordered_sum(power, axis=-1)
    parts = np.split(power, groups, axis=-1)
    return np.concatenate([ordered_sum(part, axis=-1) for part in parts], axis=-1)
