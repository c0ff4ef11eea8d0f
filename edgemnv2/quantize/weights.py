"""Weights to int8 in [-127, 127], and the bias that undoes the mean of what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Conv2D, DepthwiseConv2D
from edgemnv2.model import QuantParams
from edgemnv2.quantize.float_graph import Convolution
from edgemnv2.reference.float_layers import pad, patches

__all__ = [
    "QuantizedWeights",
    "corrected_bias",
    "mean_patch",
    "patch_covariance",
    "quantize_weights",
]

Array = NDArray[Any]

WEIGHT_LIMIT = 127
"""Symmetric: -128 is left out, so that kernels may negate and pair products."""
BIAS_LIMIT = 2**28
"""A channel's scale is kept large enough for its bias to stay below this."""
MOST_TAPS = 32
"""Weights per output channel up to which rounding errors are handed on: depthwise layers, the
first convolution, the narrowest 1x1. Their inputs go together, and a few images show how."""
COVARIANCE_IMAGES = 20
DAMPING = 0.01
"""Added to the covariance, relative to its mean diagonal."""
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
    layer: Convolution,
    source: QuantParams,
    *,
    per_channel: bool,
    covariance: Array | None = None,
) -> QuantizedWeights:
    """int8 weights of `layer`, one scale per output channel or one for all.

    With the `patch_covariance` of the layer's input each weight's rounding error is handed on to
    those not rounded yet, as their inputs go together (GPTQ, Frantar et al. 2022).
    """
    weight = layer.weight.astype(np.float64)
    largest = np.abs(weight).reshape(-1, weight.shape[-1]).max(axis=0)
    scale = largest / WEIGHT_LIMIT
    # A dead channel is its bias alone, which must still fit.
    floor = np.abs(layer.bias.astype(np.float64)) / (source.scale * BIAS_LIMIT)
    scale = np.maximum(np.maximum(scale, floor), 1e-12)
    if not per_channel:
        scale = np.full_like(scale, scale.max())
    scale = scale.astype(np.float32)
    if covariance is None:
        values = _rounded(weight, scale.astype(np.float64))
    else:
        values = _rounded_with_feedback(weight, scale.astype(np.float64), covariance)
    return QuantizedWeights(values.astype(np.int8), scale)


def _rounded(weight: Array, scale: Array) -> Array:
    return np.asarray(np.clip(np.rint(weight / scale), -WEIGHT_LIMIT, WEIGHT_LIMIT))


def _rounded_with_feedback(weight: Array, scale: Array, covariance: Array) -> Array:
    """Integer weights `[..., C]` that keep the output's variance of error small.

    `covariance` `[C or 1, K, K]` of the inputs under the K weights of a channel.
    """
    channels = weight.shape[-1]
    left = weight.reshape(-1, channels).T.copy()  # [C, K]
    count = left.shape[1]
    power = np.trace(covariance, axis1=1, axis2=2) / count
    damping = DAMPING * np.maximum(power, 1e-12)
    damped = covariance + damping[:, np.newaxis, np.newaxis] * np.eye(count)
    upper = np.linalg.cholesky(np.linalg.inv(damped)).transpose(0, 2, 1)
    values = np.empty_like(left)
    for k in range(count):
        values[:, k] = _rounded(left[:, k], scale)
        error = (left[:, k] - values[:, k] * scale) / upper[:, k, k]
        left[:, k + 1 :] -= error[:, np.newaxis] * upper[:, k, k + 1 :]
    return values.T.reshape(weight.shape)


def patch_covariance(layer: Convolution, x: Array) -> Array | None:
    """The covariance `[C or 1, K, K]` of the inputs under the K weights of an output channel.

    For layers of few weights per channel, on `COVARIANCE_IMAGES` of `[N, H, W, C]`; None for
    others, which a few images would fit too closely.
    """
    taps = int(np.prod(layer.weight.shape[:-1]))
    if not 1 < taps <= MOST_TAPS:
        return None
    chosen = x[:: max(1, len(x) // COVARIANCE_IMAGES)]
    depthwise = isinstance(layer, DepthwiseConv2D)
    groups = x.shape[-1] if depthwise else 1
    moment, mean = np.zeros((groups, taps, taps)), np.zeros((groups, taps))
    for image in chosen:
        windows = patches(pad(image[np.newaxis], layer.padding), layer.kernel, layer.stride)[0]
        if depthwise:  # [C, pixels, taps]
            inputs = windows.reshape(-1, taps, groups).transpose(2, 0, 1)
        else:
            inputs = windows.reshape(1, -1, taps)
        inputs = np.ascontiguousarray(inputs, np.float32)
        pixels = inputs.shape[1] * len(chosen)
        moment += inputs.transpose(0, 2, 1) @ inputs / pixels
        mean += inputs.sum(axis=1) / pixels
    return np.asarray(moment - mean[:, :, np.newaxis] * mean[:, np.newaxis, :])


def mean_patch(layer: Convolution, x: Array, zero_point: int = 0) -> Array:
    """The mean input `[KH, KW, C]` under each weight, over all output pixels of `[N, H, W, C]`.

    `zero_point` comes off before the padding, whose zeros are real ones.
    """
    kh, kw = layer.kernel
    mean = np.zeros((kh, kw, x.shape[-1]), np.float64)
    for first in range(len(x)):
        image = x[first : first + 1].astype(np.float32)
        image -= np.float32(zero_point)
        padded = pad(image, layer.padding)[0]
        height = (padded.shape[0] - kh) // layer.stride[0] + 1
        width = (padded.shape[1] - kw) // layer.stride[1] + 1
        for ky in range(kh):
            rows = padded[ky : ky + (height - 1) * layer.stride[0] + 1 : layer.stride[0]]
            for kx in range(kw):
                taps = rows[:, kx : kx + (width - 1) * layer.stride[1] + 1 : layer.stride[1]]
                # float32 within an image, float64 over the images.
                mean[ky, kx] += taps.mean(axis=(0, 1))
    return np.asarray(mean / len(x))


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
