"""The float network on calibration inputs, the same bits on every machine.

`ops.reference` leaves the order of its sums to BLAS. Here every activation is rounded to a grid,
and convolutions are sums of float64 products that no order can round; `reproducible` says how. The
values differ from the reference's by a few parts in 2**18 of a tensor's largest, far below a step
of int8.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.execute import run_layer
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.ops.windows import pad, patches
from edgemnv2.quantizer.reproducible import exact_weight, exp, on_grid, ordered_sum

__all__ = ["ExactRun"]

Array = NDArray[Any]

BLOCK_ELEMENTS = 1 << 18
"""Of the larger operand or result of one product: what stays in the cache as float64."""


class ExactRun:
    """A float32 network made ready to be run on many inputs."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._weights = {
            layer.name: exact_weight(layer.weight.reshape(-1, layer.weight.shape[-1]))
            for layer in graph.layers
            if isinstance(layer, Conv2D)
        }

    def __call__(self, x: Array) -> dict[str, Array]:
        """Every tensor by name, float32 `[N, H, W, C]`, for the inputs `x` `[N, H, W, C]`.

        An image's values do not depend on the other images.
        """
        (name,) = self._graph.inputs
        values = {name: on_grid(np.array(x, np.float32, order="C"))}
        for layer in self._graph.layers:
            inputs = [values[source] for source in layer.inputs]
            values[layer.output] = on_grid(self._layer(layer, inputs))
        return values

    def _layer(self, layer: Layer, inputs: list[Array]) -> Array:
        match layer:
            case Conv2D():
                return _conv2d(layer, self._weights[layer.name], inputs[0])
            case GlobalAveragePool():
                return _pool(layer, inputs[0])
            case Softmax():
                return _softmax(inputs[0])
        # All others compute element by element, depthwise layers tap by tap, without BLAS.
        return run_layer(self._graph, layer, inputs)


def _conv2d(layer: Conv2D, weight: Array, x: Array) -> Array:
    """`weight` is `exact_weight`'s."""
    depth, cout = weight.shape
    bias = layer.bias.astype(np.float64)
    windows = patches(pad(x, layer.padding), layer.kernel, layer.stride)
    n, oh, ow = windows.shape[:3]
    out = np.empty((n, oh, ow, cout), np.float32)
    rows = max(1, BLOCK_ELEMENTS // (ow * max(depth, cout)))
    for image, result in zip(windows, out, strict=True):
        for first in range(0, oh, rows):
            block = image[first : first + rows].astype(np.float64)
            total = block.reshape(-1, depth) @ weight
            total += bias
            np.clip(total, *layer.clamp, out=total)
            result[first : first + rows] = total.reshape(-1, ow, cout)
    return out


def _pool(layer: GlobalAveragePool, x: Array) -> Array:
    total = x.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    mean = total / float(x.shape[1] * x.shape[2])
    return np.asarray(np.clip(mean, *layer.clamp), np.float32)


def _softmax(x: Array) -> Array:
    wide = x.astype(np.float64)
    exponentials = exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / ordered_sum(exponentials, -1)[..., np.newaxis], np.float32)
