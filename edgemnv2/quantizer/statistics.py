"""What calibration needs to know of the float network's activations, collected image by image.

No activation outlives its batch: only limits, histograms, means and covariances are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.quantizer.float_graph import consumers
from edgemnv2.quantizer.float_run import ExactRun
from edgemnv2.quantizer.ranges import Histogram
from edgemnv2.quantizer.reproducible import ordered_sum
from edgemnv2.quantizer.weights import CovarianceSum, hands_errors_on, mean_patch

__all__ = ["BATCH", "Statistics", "batches", "collect"]

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
    scores: Array | None
    """Of the classes, `[N, classes]`; None where the network has none."""


def batches(x: Array) -> Iterator[Array]:
    """`x` in portions of `BATCH`."""
    for first in range(0, len(x), BATCH):
        yield x[first : first + BATCH]


def collect(graph: Graph, x: Array, scores: str | None, progress: Progress) -> Statistics:
    """The statistics of `graph` on the inputs `[N, H, W, C]`, in two passes.

    `scores` names the tensor of the class scores, if there is one.
    Raises ModelError where an activation is not finite.
    """
    run = ExactRun(graph)
    limits = _limits(graph, run, x, progress)
    histograms = {
        name: Histogram(*limits[name], _importance(graph, name), len(x)) for name in limits
    }
    convolutions = [x for x in graph.layers if isinstance(x, Conv2D | DepthwiseConv2D)]
    covariances = {
        layer.name: CovarianceSum(layer, len(x)) for layer in convolutions if hands_errors_on(layer)
    }
    patches: dict[str, Array] = {}
    found_scores: list[Array] = []
    done = 0
    for batch in batches(x):
        values = run(batch)
        if scores is not None:
            found_scores.append(values[scores].reshape(len(batch), -1))
        for name, histogram in histograms.items():
            histogram.add(values[name])
        for layer in convolutions:
            source = values[layer.inputs[0]]
            share = mean_patch(layer, source) * (len(batch) / len(x))
            patches[layer.name] = patches.get(layer.name, 0.0) + share
            if layer.name in covariances:
                covariances[layer.name].add(source)
        done += len(batch)
        progress("collect statistics", done, len(x))
    found = {name: total.covariance() for name, total in covariances.items()}
    return Statistics(
        limits,
        histograms,
        patches,
        {name: covariance for name, covariance in found.items() if covariance is not None},
        np.concatenate(found_scores) if found_scores else None,
    )


def _limits(
    graph: Graph, run: ExactRun, x: Array, progress: Progress
) -> dict[str, tuple[float, float]]:
    """Least and greatest value of every tensor."""
    limits: dict[str, tuple[float, float]] = {}
    made_by = {layer.output: layer.name for layer in graph.layers}
    done = 0
    for batch in batches(x):
        for name, values in run(batch).items():
            low, high = float(values.min()), float(values.max())
            # A NaN spreads to both.
            if not (np.isfinite(low) and np.isfinite(high)):
                raise ModelError(
                    f"{graph.source}: layer {made_by[name]!r} gives NaN or infinite values on the "
                    "calibration inputs (must be finite); check the model and the preprocessing"
                )
            old = limits.get(name, (low, high))
            limits[name] = min(old[0], low), max(old[1], high)
        done += len(batch)
        progress("measure limits", done, len(x))
    return limits


def _importance(graph: Graph, name: str) -> Array:
    """How strongly the error of each channel of a tensor is felt by those who read it, `[C]`."""
    importance = np.zeros(graph.tensors[name].channels)
    for reader in consumers(graph, name):
        if isinstance(reader, Conv2D | DepthwiseConv2D):
            power = reader.weight.astype(np.float64) ** 2
            if isinstance(reader, Conv2D):
                power = ordered_sum(power, axis=-1)
            importance += ordered_sum(power.reshape(-1, len(importance)))
        else:
            importance += 1.0
    return importance
