"""What every lowered graph keeps; a breach is a bug of ours, hence ValueError."""

from __future__ import annotations

import numpy as np

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.ops.rescale.layer import Rescale

__all__ = ["validate"]

# MEAN divides its multiplier by the pixel count, which can take one bit more (tflite_arithmetic).
NORMALISED, MEAN_NORMALISED = 2**30, 2**29


def validate(graph: Graph) -> Graph:
    """The graph itself, if its shapes, order, definitions and factors are right."""
    defined = set(graph.inputs)
    for layer in graph.layers:
        for name in layer.inputs:
            _check(name in defined, layer, f"reads {name!r} before it is made")
        _check(layer.output not in defined, layer, f"makes {layer.output!r} again")
        defined.add(layer.output)
        _check_shapes(graph, layer)
        _check_numbers(graph, layer)
    if set(graph.tensors) != defined:
        raise ValueError(f"tensors without a definition: {sorted(set(graph.tensors) ^ defined)}")
    for name in graph.outputs:
        if name not in defined:
            raise ValueError(f"output {name!r} is never made")
    if len({x.name for x in graph.layers}) != len(graph.layers):
        raise ValueError("two layers have one name")
    return graph


def _check(condition: bool, layer: Layer, message: str) -> None:
    if not condition:
        raise ValueError(f"layer {layer.name!r}: {message}")


def _check_shapes(graph: Graph, layer: Layer) -> None:
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        kh, kw = layer.kernel
        top, left, bottom, right = layer.padding
        height = (x.height + top + bottom - kh) // layer.stride[0] + 1
        width = (x.width + left + right - kw) // layer.stride[1] + 1
        channels = int(layer.weight.shape[-1])
        _check((height, width, channels) == y.shape, layer, f"output {y.shape} of another shape")
        inner = x.channels if isinstance(layer, DepthwiseConv2D) else layer.weight.shape[2]
        _check(inner == x.channels, layer, "weight of another number of input channels")
        _check(layer.bias.shape == (channels,), layer, "bias is not one per channel")
    elif isinstance(layer, GlobalAveragePool):
        _check(y.shape == (1, 1, x.channels), layer, "pooling gives one pixel")
    else:
        for index in range(len(layer.inputs)):
            same = graph.tensor_in(layer, index).shape == y.shape
            _check(same, layer, "elementwise layers keep their shape")


def _check_numbers(graph: Graph, layer: Layer) -> None:
    y = graph.tensor_out(layer)
    clamp = getattr(layer, "clamp", None)
    if clamp is not None:
        _check(clamp[0] <= clamp[1], layer, f"clamp {clamp} is empty")
        if y.dtype != "float32":
            limits = np.iinfo(y.dtype)
            inside = limits.min <= clamp[0] and clamp[1] <= limits.max
            _check(inside, layer, f"clamp {clamp} outside {y.dtype}")
    if y.dtype == "float32":
        _check(y.quant is None, layer, "float tensor with a scale")
        return
    quant = y.quant
    _check(quant is not None and quant.scale > 0, layer, "integer tensor without a scale")
    if isinstance(layer, Conv2D | DepthwiseConv2D):
        _check(layer.requantize is not None, layer, "integer convolution without a factor")
        assert layer.requantize is not None
        _check_factor(layer, layer.requantize, y.channels, NORMALISED)
        _check(layer.bias.dtype == np.int32, layer, "bias is not int32")
        _check(layer.weight.dtype in (np.int8, np.int16), layer, "weight is not int8 or int16")
    elif isinstance(layer, Add):
        _check(layer.rescale is not None, layer, "integer sum without factors")
        assert layer.rescale is not None
        for factor in layer.rescale:
            _check_factor(layer, factor, 1, NORMALISED)
    elif isinstance(layer, Rescale):
        _check_factor(layer, layer.requantize, 1, NORMALISED)
    elif isinstance(layer, GlobalAveragePool) and layer.requantize is not None:
        _check_factor(layer, layer.requantize, 1, MEAN_NORMALISED)


def _check_factor(layer: Layer, factor: Requantize, channels: int, least: int) -> None:
    multiplier, shift = factor.multiplier, factor.shift
    _check(multiplier.shape == shift.shape == (channels,), layer, "factor is not one per channel")
    normal = (multiplier >= least) | (multiplier == 0)
    _check(bool(np.all(normal)), layer, "multiplier is not normalised")
    in_range = np.all((shift >= -31) & (shift <= 30))
    _check(bool(in_range), layer, "shift is out of range")
