"""What post-training quantisation asks of a float network, and what it measures on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.quantizer.float_run import ExactRun
from edgemnv2.quantizer.reproducible import ordered_sum

__all__ = [
    "Convolution",
    "check_float_graph",
    "class_scores_tensor",
    "consumers",
    "expected_peaks",
    "image_peaks",
]

Array = NDArray[Any]
Convolution = Conv2D | DepthwiseConv2D

DEVIATIONS = 8.0
"""Above the mean. On torchvision's 1.0/224, KL divergence of the class scores on 400 images that
were not calibrated on, with 20 calibration images and with 100: 0.030 and 0.017 where channels grow
by what was seen, 0.020 and 0.015 with 5, 0.019 and 0.014 with 8. The channels' growth gains little
by daring more, and an image that is cut off loses much. (Where weights are evened out for one scale
a layer, growth gains more: 0.030 by what was seen, 0.034 with 5.)"""


QUANTIZED = (Add, Conv2D, DepthwiseConv2D, GlobalAveragePool, Softmax)
"""Layers that have an int8 form here; convolutions without dilation and groups."""


def check_float_graph(graph: Graph) -> None:
    """Raises ModelError for a network that is quantised already or holds no finite numbers.

    And for one with layers that are not quantised here.
    """
    for layer in graph.layers:
        quantised = isinstance(layer, Quantize) or graph.tensor_out(layer).dtype != "float32"
        if quantised:
            raise ModelError(
                f"{graph.source}: layer {layer.name!r} is quantised already "
                "(quantize takes a float32 model); compile this model as it is"
            )
        if not isinstance(layer, QUANTIZED) or not getattr(layer, "is_plain", True):
            raise ModelError(
                f"{graph.source}: layer {layer.name!r} ({layer.op}) is not quantised (quantize "
                "takes convolutions without dilation and groups, sums, means over the whole map "
                "and softmax); quantise with the framework that made the model, and compile that"
            )
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            for kind, values in (("weight", layer.weight), ("bias", layer.bias)):
                bad = int(np.count_nonzero(~np.isfinite(values)))
                if bad:
                    raise ModelError(
                        f"{graph.source}: layer {layer.name!r}: {bad} of {values.size} {kind} "
                        "values are NaN or infinite (must be finite); export the model again"
                    )


def image_peaks(graph: Graph, batches: Iterable[Array]) -> dict[str, Array]:
    """The largest magnitude of each channel of each tensor in each image, float32 `[N, C]`."""
    found: dict[str, list[Array]] = {}
    run = ExactRun(graph)
    for batch in batches:
        for name, values in run(batch).items():
            found.setdefault(name, []).append(np.abs(values).max(axis=(1, 2)))
    return {name: np.concatenate(peaks) for name, peaks in found.items()}


def expected_peaks(graph: Graph, peaks: Mapping[str, Array]) -> dict[str, Array]:
    """The largest magnitude of each channel that images not seen yet may have, float64 `[C]`.

    `peaks` are `image_peaks`. Twenty images do not show a channel's largest value: it is taken to
    lie `DEVIATIONS` standard deviations above the mean of the images' peaks, but within the clamp.
    """
    limits = {
        layer.output: max(abs(end) for end in getattr(layer, "clamp", (np.inf,)))
        for layer in graph.layers
    }
    expected = {}
    for name, seen in peaks.items():
        wide = seen.astype(np.float64)
        mean = ordered_sum(wide) / len(wide)
        deviation = np.sqrt(ordered_sum((wide - mean) ** 2) / len(wide))
        beyond = np.minimum(mean + DEVIATIONS * deviation, limits.get(name, np.inf))
        expected[name] = np.maximum(wide.max(axis=0), beyond)
    return expected


def class_scores_tensor(graph: Graph) -> str | None:
    """The tensor that holds one score for each class, where the network's end has that form.

    It is a vector of two or more numbers that a dense layer gives without an activation: what
    Softmax takes at the end, or the output itself. None for maps, pooled features, single numbers
    and clamped outputs. A vector of features from a linear layer has the same form and cannot be
    told apart.
    """
    makers = {layer.output: layer for layer in graph.layers}
    if len(graph.outputs) != 1:
        return None
    name = graph.outputs[0]
    last = makers.get(name)
    if isinstance(last, Softmax):
        name = last.inputs[0]
        last = makers.get(name)
    height, width, channels = graph.tensors[name].shape
    linear = isinstance(last, Conv2D) and not np.isfinite(last.clamp).any()
    return name if linear and (height, width) == (1, 1) and channels > 1 else None


def consumers(graph: Graph, tensor: str) -> list[Layer]:
    """The layers that read `tensor`."""
    return [layer for layer in graph.layers if tensor in layer.inputs]
