"""What must hold of a convolution."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.checks import expect, expect_factor
from edgemnv2.ops.convolution.layer import Conv2D, DepthwiseConv2D, TransposedConv2D
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["check"]


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, Conv2D | DepthwiseConv2D | TransposedConv2D)
    x, y = graph.tensor_in(layer), graph.tensor_out(layer)
    channels = int(layer.weight.shape[-1])
    if isinstance(layer, TransposedConv2D):
        expect(layer.weight.shape[2] == x.channels, layer, "weight of other input channels")
        expect(channels == y.channels, layer, "weight of other output channels")
        expect(min(layer.padding) >= 0, layer, "negative padding")
        _check_numbers(layer, y)
        return
    kh, kw = layer.window
    top, left, bottom, right = layer.padding
    height = (x.height + top + bottom - kh) // layer.stride[0] + 1
    width = (x.width + left + right - kw) // layer.stride[1] + 1
    expect((height, width, channels) == y.shape, layer, f"output {y.shape} of another shape")
    expect(min(height, width) >= 1, layer, "no pixel of output")
    expect(min(layer.dilation) >= 1 and min(layer.padding) >= 0, layer, "negative padding")
    inner = channels
    if isinstance(layer, Conv2D):
        inner = layer.weight.shape[2] * layer.groups
        expect(channels % layer.groups == 0, layer, "groups of unequal size")
    expect(inner == x.channels, layer, "weight of another number of input channels")
    _check_numbers(layer, y)


def _check_numbers(layer: Conv2D | DepthwiseConv2D | TransposedConv2D, y: Tensor) -> None:
    expect(layer.bias.shape == (y.channels,), layer, "bias is not one per channel")
    if y.dtype != "float32":
        expect(layer.requantize is not None, layer, "integer convolution without a factor")
        expect_factor(layer, layer.requantize, y.channels)
        expect(layer.bias.dtype == np.int32, layer, "bias is not int32")
        expect(layer.weight.dtype in (np.int8, np.int16), layer, "weight is not int8 or int16")
