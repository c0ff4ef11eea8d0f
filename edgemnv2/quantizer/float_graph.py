"""What post-training quantisation asks of a float network, and what it measures on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import ordered_sum
from edgemnv2.errors import ModelError
from edgemnv2.ops.convolution.layer import Convolution, Weighted
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.quantizer.float_run import ExactRun, Inputs

__all__ = [
    "check_float_graph",
    "class_scores_tensors",
    "consumers",
    "convolutions",
    "expected_peaks",
    "image_peaks",
    "weighted_layers",
]

Array = NDArray[Any]

DEVIATIONS = 8.0
"""Above the mean. On torchvision's 1.0/224, KL divergence of the class scores on 400 images that
were not calibrated on, with 20 calibration images and with 100: 0.030 and 0.017 where channels grow
by what was seen, 0.020 and 0.015 with 5, 0.019 and 0.014 with 8. The channels' growth gains little
by daring more, and an image that is cut off loses much. (Where weights are evened out for one scale
a layer, growth gains more: 0.030 by what was seen, 0.034 with 5.)"""


def check_float_graph(graph: Graph) -> None:
    """Raises ModelError for a network that cannot be quantised.

    It is quantised already, or holds numbers that are not finite.
    """
    for layer in graph.layers:
        if any(graph.tensors[name].quant is not None for name in (*layer.inputs, layer.output)):
            raise ModelError(
                f"{graph.source}: layer {layer.name!r} is quantised already "
                "(quantize takes a float32 model); compile this model as it is"
            )
        for kind, values in zip(("weight", "bias"), layer.parameters, strict=False):
            bad = int(np.count_nonzero(~np.isfinite(values)))
            if bad:
                raise ModelError(
                    f"{graph.source}: layer {layer.name!r}: {bad} of {values.size} {kind} "
                    "values are NaN or infinite (must be finite); export the model again"
                )


def image_peaks(graph: Graph, batches: Iterable[Inputs]) -> dict[str, Array]:
    """The largest magnitude of each channel of each tensor in each image, float32 `[N, C]`.

    Of tensors of floats.
    """
    found: dict[str, list[Array]] = {}
    run = ExactRun(graph)
    for batch in batches:
        for name, values in run(batch).items():
            if graph.tensors[name].dtype != "float32":
                continue
            found.setdefault(name, []).append(np.abs(values).max(axis=(1, 2)))
    return {name: np.concatenate(peaks) for name, peaks in found.items()}


def expected_peaks(graph: Graph, peaks: Mapping[str, Array]) -> dict[str, Array]:
    """The largest magnitude of each channel that images not seen yet may have, float64 `[C]`.

    `peaks` are `image_peaks`. Twenty images do not show a channel's largest value: it is taken to
    lie `DEVIATIONS` standard deviations above the mean of the images' peaks, but within the clamp.
    """
    limits = {layer.output: max(abs(end) for end in layer.clamp_ends) for layer in graph.layers}
    expected = {}
    for name, seen in peaks.items():
        wide = seen.astype(np.float64)
        mean = ordered_sum(wide) / len(wide)
        deviation = np.sqrt(ordered_sum((wide - mean) ** 2) / len(wide))
        beyond = np.minimum(mean + DEVIATIONS * deviation, limits.get(name, np.inf))
        expected[name] = np.maximum(wide.max(axis=0), beyond)
    return expected


def class_scores_tensors(graph: Graph) -> tuple[str, ...]:
    """The tensors that hold one score for each class, where an end of the network has that form.

    It is a vector of two or more numbers that a dense layer gives without an activation: what
    Softmax takes at the end, or the output itself. None for maps, pooled features, single numbers
    and clamped outputs. A vector of features from a linear layer has the same form and cannot be
    told apart.
    """
    found = (_class_scores(graph, name) for name in graph.outputs)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _class_scores(graph: Graph, name: str) -> str | None:
    makers = {layer.output: layer for layer in graph.layers}
    last = makers.get(name)
    if last is not None and last.makes_probabilities:
        name = last.inputs[0]
        last = makers.get(name)
    height, width, channels = graph.tensors[name].shape
    if last is None or last.block_role != "dense" or np.isfinite(last.clamp_ends).any():
        return None
    return name if (height, width) == (1, 1) and channels > 1 else None


def convolutions(graph: Graph) -> list[Convolution]:
    """The dense and depthwise convolutions."""
    return [layer for layer in graph.layers if isinstance(layer, Convolution)]


def weighted_layers(graph: Graph) -> list[Weighted]:
    """The layers that have weights to be stored as integers."""
    return [layer for layer in graph.layers if isinstance(layer, Weighted)]


def consumers(graph: Graph, tensor: str) -> list[Layer]:
    """The layers that read `tensor`."""
    return [layer for layer in graph.layers if tensor in layer.inputs]
