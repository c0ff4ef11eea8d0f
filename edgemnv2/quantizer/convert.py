"""The walk: a float network and calibration inputs -> the int8 network, layer by layer.

Ranges come from the float network's activations. Then the int8 network is built from its input to
its output: a layer's weights are rounded, its bias is corrected by the means that the quantised
network really has in front of it, and the integer layer runs, exactly as it will on the device.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic import onnx
from edgemnv2.model import QuantParams
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.dequantize.layer import Dequantize
from edgemnv2.ops.execute import run, run_layer
from edgemnv2.ops.graph import Graph, Layer, Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.quantize.layer import Quantize
from edgemnv2.ops.softmax.layer import Softmax
from edgemnv2.quantizer.exact import (
    LARGEST_FACTOR,
    add_target,
    exact_scale,
    pool_targets,
    rounding_of,
)
from edgemnv2.quantizer.float_graph import Convolution
from edgemnv2.quantizer.float_run import ExactRun
from edgemnv2.quantizer.quality import LayerMeter, LayerQuality
from edgemnv2.quantizer.ranges import affine, choose_range, choose_score_range
from edgemnv2.quantizer.statistics import Statistics, batches, collect
from edgemnv2.quantizer.weights import (
    QuantizedWeights,
    corrected_bias,
    mean_patch,
    quantize_weights,
    weight_scales,
)

__all__ = ["Converted", "convert", "is_dense"]

Array = NDArray[Any]
Progress = Callable[[str, int, int], None]

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
    scores: str | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> Converted:
    """`graph` in int8 between a float32 input and output, calibrated on `x` `[N, H, W, C]`.

    `scores` names the tensor of the class scores, of which the best ones matter, if there is one.
    """
    statistics = collect(graph, x, scores, progress)
    walk = _Walk(graph, statistics, per_channel, method, scores)
    converted = walk.run(x, progress)
    quality = _compare(graph, converted, walk.real_weights, x, progress)
    return Converted(converted, walk.weight_scales, quality)


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
    """The int8 network, as far as it has come, and its activations on the calibration inputs."""

    def __init__(
        self,
        graph: Graph,
        statistics: Statistics,
        per_channel: bool,
        method: str,
        scores: str | None,
    ) -> None:
        self.float = graph
        self.statistics = statistics
        self.per_channel = per_channel
        self.method = method
        self.scores = scores
        self.tensors: dict[str, Tensor] = {}
        self.layers: list[Layer] = []
        self.weight_scales: dict[str, Array] = {}
        self.real_weights: dict[str, Array] = {}
        self.stored: dict[str, Array] = {}

    def run(self, x: Array, progress: Progress) -> Graph:
        """All layers, between a `Quantize` and a `Dequantize`."""
        (source,), (result,) = self.float.inputs, self.float.outputs
        outer = self._outer(source)
        self._declare(source, affine(*self.statistics.limits[source]))
        self._append(Quantize("quantize", (outer,), source, rounding="even"), [x])
        remaining = Counter(name for layer in self.float.layers for name in layer.inputs)
        for index, layer in enumerate(self.float.layers):
            self._convert(layer)
            for name in layer.inputs:
                remaining[name] -= 1
                if not remaining[name]:
                    del self.stored[name]
            progress("calibrate layers", index + 1, len(self.float.layers))
        outer_result = self._outer(result)
        self.layers.append(Dequantize("dequantize", (result,), outer_result))
        return self._graph(inputs=(outer,), outputs=(outer_result,))

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
        graph = self._graph()
        target = graph.tensor_out(layer)
        out = np.empty((len(inputs[0]), *target.shape), target.dtype)
        for part, *sources in zip(batches(out), *map(batches, inputs), strict=True):
            part[...] = run_layer(graph, layer, sources)
        self.stored[layer.output] = out

    def _quant(self, name: str) -> QuantParams:
        quant = self.tensors[name].quant
        assert quant is not None
        return quant

    def _convert(self, layer: Layer) -> None:
        sources = [self._quant(name) for name in layer.inputs]
        target = self._range(layer)
        weights = None
        if isinstance(layer, Conv2D | DepthwiseConv2D):
            scale = weight_scales(layer, sources[0], per_channel=self.per_channel)
            target = _with_small_factors(target, sources[0], scale)
            scale = exact_scale(scale, sources[0], target, rounding_of(layer))
            covariance = self.statistics.covariances.get(layer.name)
            weights = quantize_weights(layer, scale, covariance)
            self.weight_scales[layer.name] = weights.scale
            self.real_weights[layer.name] = weights.real
        self._declare(layer.output, target)
        stored_inputs = [self.stored[name] for name in layer.inputs]
        self._append(self._integer(layer, sources, target, weights), stored_inputs)

    def _range(self, layer: Layer) -> QuantParams:
        if isinstance(layer, Softmax):
            return SOFTMAX_QUANT
        if self.statistics.scores is not None and layer.output == self.scores:
            return choose_score_range(self.statistics.scores)
        histogram = self.statistics.histograms[layer.output]
        # The last layer's errors are the output's own: nothing that is seen may be cut off.
        target = choose_range(histogram, self.method if histogram.matters else "min-max")
        if isinstance(layer, Add):
            a, b = (self.tensors[name] for name in layer.inputs)
            wanted = replace(self.float.tensor_out(layer), dtype="int8", quant=target)
            return add_target(layer, (a, b), wanted)
        if isinstance(layer, GlobalAveragePool):
            found = pool_targets(layer, self.tensors[layer.inputs[0]], target)
            return min(found, key=histogram.error, default=target)
        return target

    def _integer(
        self,
        layer: Layer,
        sources: list[QuantParams],
        target: QuantParams,
        weights: QuantizedWeights | None,
    ) -> Layer:
        clamp = onnx.clamp_limits(getattr(layer, "clamp", (-math.inf, math.inf)), target, "int8")
        match layer:
            case Conv2D() | DepthwiseConv2D():
                assert weights is not None
                return self._convolution(layer, sources[0], target, weights, clamp)
            case Add():
                factors = onnx.add_rescale(sources[0], sources[1], target, ("int8", "int8"))
                return replace(layer, clamp=clamp, rescale=factors)
            case GlobalAveragePool():
                source = self.float.tensor_in(layer)
                factor = onnx.mean_requantize(sources[0], target, source.height * source.width)
                return replace(layer, clamp=clamp, requantize=factor)
            case Softmax():
                channels = self.float.tensor_in(layer).channels
                table, inverse = onnx.softmax_constants(sources[0], target, channels)
                return replace(layer, exp_table=table, inverse=inverse)
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
        before = self.statistics.mean_patches[layer.name]
        after = mean_patch(layer, self.stored[name], source.zero_point) * source.scale
        bias = corrected_bias(layer, weights, before, after)
        step = np.float64(source.scale) * weights.scale.astype(np.float64)
        channels = len(weights.scale)
        factor = onnx.convolution_requantize(source, weights.scale, target, channels)
        stored = np.rint(bias / step)
        return replace(
            layer,
            weight=weights.values,
            bias=np.clip(stored, -(2**31), 2**31 - 1).astype(np.int32),
            clamp=clamp,
            requantize=factor,
        )


def _with_small_factors(target: QuantParams, source: QuantParams, scale: Array) -> QuantParams:
    """`target` widened until no requantisation factor is above `LARGEST_FACTOR`."""
    least = source.scale * float(scale.max()) / LARGEST_FACTOR
    if target.scale > least:
        return target
    # A little above, so that rounding to float32 cannot bring it back.
    widened = least * (1 + 1e-6)
    low = (-128 - target.zero_point) * widened
    return affine(low, low + 255 * widened)


def _compare(
    graph: Graph, converted: Graph, weights: Mapping[str, Array], x: Array, progress: Progress
) -> tuple[LayerQuality, ...]:
    """Both networks side by side on the inputs `x`: the quality of every layer."""
    meters: dict[str, LayerMeter] = {}
    for layer in graph.layers:
        quant = converted.tensors[layer.output].quant
        assert quant is not None
        meters[layer.output] = LayerMeter(layer, quant, weights.get(layer.name))
    run_float = ExactRun(graph)
    done = 0
    for batch in batches(x):
        real, stored = run_float(batch), run(converted, batch)
        for name, meter in meters.items():
            meter.add(real[name], stored[name])
        done += len(batch)
        progress("measure layers", done, len(x))
    return tuple(meter.quality() for meter in meters.values())
