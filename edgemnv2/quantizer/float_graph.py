"""What post-training quantisation asks of a float network, and what it measures on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.quantizer.float_run import ExactRun

__all__ = ["Convolution", "channel_peaks", "check_float_graph", "consumers"]

Array = NDArray[Any]
Convolution = Conv2D | DepthwiseConv2D


def check_float_graph(graph: Graph) -> None:
    """Raises ModelError for a network that is quantised already or holds no finite numbers."""
    for layer in graph.layers:
        quantised = isinstance(layer, Quantize) or graph.tensor_out(layer).dtype != "float32"
        if quantised:
            raise ModelError(
                f"{graph.source}: layer {layer.name!r} is quantised already "
                "(quantize takes a float32 model); compile this model as it is"
            )
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            for kind, values in (("weight", layer.weight), ("bias", layer.bias)):
                bad = int(np.count_nonzero(~np.isfinite(values)))
                if bad:
                    raise ModelError(
                        f"{graph.source}: layer {layer.name!r}: {bad} of {values.size} {kind} "
                        "values are NaN or infinite (must be finite); export the model again"
                    )


def channel_peaks(graph: Graph, batches: Iterable[Array]) -> dict[str, Array]:
    """The largest magnitude of each channel of each tensor over the inputs, float32 `[C]`."""
    peaks: dict[str, Array] = {}
    run = ExactRun(graph)
    for batch in batches:
        for name, values in run(batch).items():
            largest = np.abs(values).max(axis=(0, 1, 2))
            peaks[name] = np.maximum(peaks[name], largest) if name in peaks else largest
    return peaks


def consumers(graph: Graph, tensor: str) -> list[Layer]:
    """The layers that read `tensor`."""
    return [layer for layer in graph.layers if tensor in layer.inputs]
