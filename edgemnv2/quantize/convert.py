"""The walk: a float network and calibration inputs -> the int8 network, layer by layer.

Both networks run side by side on the calibration inputs. Each layer's range is chosen from the
float activation, its weights are rounded, its bias is corrected by the means that the quantised
network really has in front of it, and then the integer layer runs, exactly as it will on the
device.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import ModelError
from edgemnv2.graph import (
    Add,
    Conv2D,
    DepthwiseConv2D,
    Dequantize,
    GlobalAveragePool,
    Graph,
    Layer,
    Quantize,
    Softmax,
    Tensor,
)
from edgemnv2.measure.quantization import LayerQuality, measure_layer
from edgemnv2.model import QuantParams
from edgemnv2.passes.tflite_arithmetic import (
    ADD_LEFT_SHIFT,
    add_rescale,
    clamp_limits,
    convolution_requantize,
    dense_requantize,
    exp_table,
    mean_requantize,
)
from edgemnv2.quantize.float_graph import Convolution, consumers
from edgemnv2.quantize.ranges import affine, choose_range
from edgemnv2.quantize.weights import (
    LARGEST_FACTOR,
    QuantizedWeights,
    corrected_bias,
    mean_patch,
    patch_covariance,
    quantize_weights,
)
from edgemnv2.reference import run_layer

__all__ = ["Converted", "convert", "is_dense"]

Array = NDArray[Any]
Progress = Callable[[int, int], None]

SOFTMAX_QUANT = QuantParams(1.0 / 256.0, -128)
"""TFLite's, for every softmax."""


@dataclass(frozen=True, eq=False)
class Converted:
    """The int8 network and how well each of its layers follows the float one."""

    graph: Graph
    weight_scales: dict[str, Array]
    """float32 `[C]` by layer name: what the integers of a weight stand for."""
    quality: tuple[LayerQuality, ...]


def convert(
    graph: Graph,
    x: Array,
    *,
    per_channel: bool = True,
    method: str = "error",
    progress: Progress = lambda done, total: None,
) -> Converted:
    """`graph` in int8 between a float32 input and output, calibrated on `x` `[N, H, W, C]`."""
    return _Walk(graph, per_channel, method).run(x, progress)


def is_dense(graph: Graph, layer: Layer) -> bool:
    """Whether a pointwise layer is a matrix product of a vector: the classifier of an NC output."""
    if not isinstance(layer, Conv2D) or layer.op != "pointwise":
        return False
    # A small image may shrink to one pixel long before it is a vector.
    behind = graph.layers[graph.layers.index(layer) + 1 :]
    if any(isinstance(x, DepthwiseConv2D | Add | GlobalAveragePool) for x in behind):
        return False
    one_pixel = graph.tensor_in(layer).shape[:2] == (1, 1)
    return one_pixel and graph.output_specs[0].layout == "NC"


class _Walk:
    """Both networks, as far as they have come."""

    def __init__(self, graph: Graph, per_channel: bool, method: str) -> None:
        self.float = graph
        self.per_channel = per_channel
        self.method = method
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.weight_scales: dict[str, Array] = {}
        self.real: dict[str, Array] = {}
        self.stored: dict[str, Array] = {}

    def run(self, x: Array, progress: Progress) -> Converted:
        """All layers, between a `Quantize` and a `Dequantize`."""
        (source,), (result,) = self.float.inputs, self.float.outputs
        outer = self._outer(source)
        self._declare(source, affine(float(x.min()), float(x.max())))
        self._append(Quantize("quantize", (outer,), source, rounding="even"), [x])
        self.real[source] = x
        remaining = Counter(name for layer in self.float.layers for name in layer.inputs)
        quality = []
        for index, layer in enumerate(self.float.layers):
            quality.append(self._convert(layer))
            for name in layer.inputs:
                remaining[name] -= 1
                if not remaining[name]:
                    del self.real[name], self.stored[name]
            progress(index + 1, len(self.float.layers))
        outer_result = self._outer(result)
        self.layers.append(Dequantize("dequantize", (result,), outer_result))
        converted = self._graph(inputs=(outer,), outputs=(outer_result,))
        return Converted(converted, self.weight_scales, tuple(quality))

    def _outer(self, name: str) -> str:
        """The float32 end outside int8 tensor `name`."""
        outer = f"{name}.float32"
        self.tensors[outer] = replace(self.float.tensors[name], name=outer)
        return outer

    def _declare(self, name: str, quant: QuantParams) -> None:
        self.tensors[name] = replace(self.float.tensors[name], dtype="int8", quant=quant)

    def _graph(self, **changes: Any) -> Graph:
        return replace(self.float, tensors=dict(self.tensors), layers=tuple(self.layers), **changes)

    def _append(self, layer: Layer, inputs: list[Array]) -> None:
        self.layers.append(layer)
        self.stored[layer.output] = run_layer(self._graph(), layer, inputs)

    def _quant(self, name: str) -> QuantParams:
        quant = self.tensors[name].quant
        assert quant is not None
        return quant

    def _convert(self, layer: Layer) -> LayerQuality:
        real = run_layer(self.float, layer, [self.real[name] for name in layer.inputs])
        if not np.isfinite(real).all():
            raise ModelError(
                f"{self.float.source}: layer {layer.name!r} gives NaN or infinite values on the "
                "calibration inputs (must be finite); check the model and the preprocessing"
            )
        sources = [self._quant(name) for name in layer.inputs]
        target = self._range(layer, real)
        weights = None
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            weights = quantize_weights(
                layer,
                sources[0],
                per_channel=self.per_channel,
                covariance=patch_covariance(layer, self.real[layer.inputs[0]]),
            )
            target = _with_small_factors(target, sources[0], weights)
            self.weight_scales[layer.name] = weights.scale
        self._declare(layer.output, target)
        stored_inputs = [self.stored[name] for name in layer.inputs]
        self._append(self._integer(layer, sources, target, weights), stored_inputs)
        self.real[layer.output] = real
        stored = self.stored[layer.output]
        return measure_layer(layer, real, stored, target, weights.real if weights else None)

    def _range(self, layer: Layer, real: Array) -> QuantParams:
        if isinstance(layer, Softmax):
            return SOFTMAX_QUANT
        importance = np.zeros(real.shape[-1])
        for reader in consumers(self.float, layer.output):
            if isinstance(reader, Conv2D | DepthwiseConv2D):
                axes = (0, 1) if isinstance(reader, DepthwiseConv2D) else (0, 1, 3)
                importance += (reader.weight.astype(np.float64) ** 2).sum(axis=axes)
            else:
                importance += 1.0
        # The last layer's errors are the output's own: nothing that is seen may be cut off.
        if not importance.any():
            return choose_range(real, importance, "min-max")
        return choose_range(real, importance, self.method)

    def _integer(
        self,
        layer: Layer,
        sources: list[QuantParams],
        target: QuantParams,
        weights: QuantizedWeights | None,
    ) -> Layer:
        clamp = clamp_limits(getattr(layer, "clamp", (-math.inf, math.inf)), target, "int8")
        match layer:
            case Conv2D() | DepthwiseConv2D():
                assert weights is not None
                return self._convolution(layer, sources[0], target, weights, clamp)
            case Add():
                factors = add_rescale(sources[0], sources[1], target)
                return replace(layer, clamp=clamp, left_shift=ADD_LEFT_SHIFT, rescale=factors)
            case GlobalAveragePool():
                source = self.float.tensor_in(layer)
                factor = mean_requantize(sources[0], target, source.height * source.width)
                return replace(layer, clamp=clamp, requantize=factor)
            case Softmax():
                return replace(layer, exp_table=exp_table(sources[0].scale))
        raise AssertionError(f"{layer.name}: no integer form of {type(layer).__name__}")

    def _convolution(
        self,
        layer: Convolution,
        source: QuantParams,
        target: QuantParams,
        weights: QuantizedWeights,
        clamp: tuple[float, float],
    ) -> Layer:
        name = layer.inputs[0]
        before = mean_patch(layer, self.real[name])
        after = mean_patch(layer, self.stored[name], source.zero_point) * source.scale
        bias = corrected_bias(layer, weights, before, after)
        step = np.float64(source.scale) * weights.scale.astype(np.float64)
        channels = len(weights.scale)
        requantize = dense_requantize if is_dense(self.float, layer) else convolution_requantize
        return replace(
            layer,
            weight=weights.values,
            bias=np.clip(np.rint(bias / step), -(2**31), 2**31 - 1).astype(np.int32),
            clamp=clamp,
            requantize=requantize(source, weights.scale, target, channels),
        )


def _with_small_factors(
    target: QuantParams, source: QuantParams, weights: QuantizedWeights
) -> QuantParams:
    """`target` widened until every requantisation factor is below `LARGEST_FACTOR`."""
    largest = source.scale * float(weights.scale.max())
    least = largest / LARGEST_FACTOR
    if target.scale > least:
        return target
    # A little above, so that rounding to float32 cannot bring it back.
    widened = least * (1 + 1e-6)
    low = (-128 - target.zero_point) * widened
    return affine(low, low + 255 * widened)
