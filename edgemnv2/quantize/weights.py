"""Weights to int8 in [-127, 127], and the bias that undoes the mean of what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Conv2D, DepthwiseConv2D
from edgemnv2.model import QuantParams
from edgemnv2.quantize.float_graph import Convolution
from edgemnv2.reference.float_layers import pad

__all__ = ["QuantizedWeights", "corrected_bias", "mean_patch", "quantize_weights"]

Array = NDArray[Any]

WEIGHT_LIMIT = 127
"""Symmetric: -128 is left out, so that kernels may negate and pair products."""
BIAS_LIMIT = 2**28
"""A channel's scale is kept large enough for its bias to stay below this."""
LARGEST_FACTOR = 0.5
"""Below it every requantisation shifts right, which the short form of the kernels needs."""


@dataclass(frozen=True, eq=False)
class QuantizedWeights:
    """`real weight ~ scale[c] * values[..., c]`; `scale` float32 `[C]`, all equal per tensor."""

    values: Array
    scale: Array

    @property
    def real(self) -> Array:
        """What the integers stand for, float64."""
        return self.values.astype(np.float64) * self.scale.astype(np.float64)


def quantize_weights(
    layer: Convolution, source: QuantParams, *, per_channel: bool
) -> QuantizedWeights:
    """int8 weights of `layer`, one scale per output channel or one for all."""
    weight = layer.weight.astype(np.float64)
    largest = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0)
    scale = largest / WEIGHT_LIMIT
    # A dead channel is its bias alone, which must still fit.
    floor = np.abs(layer.bias.astype(np.float64)) / (source.scale * BIAS_LIMIT)
    scale = np.maximum(np.maximum(scale, floor), 1e-12)
    if not per_channel:
        scale = np.full_like(scale, scale.max())
    scale = scale.astype(np.float32)
    values = np.clip(np.rint(weight / scale.astype(np.float64)), -WEIGHT_LIMIT, WEIGHT_LIMIT)
    return QuantizedWeights(values.astype(np.int8), scale)


def mean_patch(layer: Convolution, x: Array) -> Array:
    """The mean input `[KH, KW, C]` under each weight, over all output pixels of `[N, H, W, C]`."""
    kh, kw = layer.kernel
    padded = pad(x, layer.padding)
    height = (padded.shape[1] - kh) // layer.stride[0] + 1
    width = (padded.shape[2] - kw) // layer.stride[1] + 1
    mean = np.empty((kh, kw, x.shape[-1]), np.float64)
    for ky in range(kh):
        rows = padded[:, ky : ky + (height - 1) * layer.stride[0] + 1 : layer.stride[0]]
        for kx in range(kw):
            taps = rows[:, :, kx : kx + (width - 1) * layer.stride[1] + 1 : layer.stride[1]]
            # float32 within an image, float64 over the images.
            mean[ky, kx] = taps.mean(axis=(1, 2)).mean(axis=0, dtype=np.float64)
    return mean


def corrected_bias(
    layer: Convolution, weights: QuantizedWeights, before: Array, after: Array
) -> Array:
    """The bias, float64 `[C]`, that keeps the mean of each output channel.

    `before` and `after` are `mean_patch` of the float and of the quantised network's input, so the
    errors of all layers in front are made good too.
    """
    weight = layer.weight.astype(np.float64)
    kept = _response(layer, weight, before) - _response(layer, weights.real, after)
    bias: Array = layer.bias.astype(np.float64) + kept
    return bias


def _response(layer: Convolution, weight: Array, patch: Array) -> Array:
    if isinstance(layer, DepthwiseConv2D):
        return np.asarray((weight * patch).sum(axis=(0, 1)))
    assert isinstance(layer, Conv2D)
    return np.asarray(np.tensordot(patch, weight, axes=3))
