"""Seeded weights for the paper's network, scaled so that no layer saturates or dies.

Weights are integers in [-127, 127] times one factor per output channel, so that the float network
and its int8 form hold the same numbers. The factor and the bias do what a batch normalisation
does: every channel gets a seeded mean and deviation, told by the moments of the layer before
(Gaussian, independent). Those moments also give the activation ranges of the int8 form. No
input is ever run, and no libm function is in the weights' way: same seed, same bytes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.frontend.architecture import KERNEL, Architecture
from edgemnv2.model import QuantParams

__all__ = [
    "INPUT",
    "POOLED_SHARE",
    "LayerMaker",
    "Moments",
    "SeededLayer",
    "range_of",
    "seeded_layers",
]

Array = NDArray[Any]
RELU6 = 6.0
# Pixels in [-1, 1], as the published int8 files take them.
INPUT = QuantParams(float(np.float32(1 / 127.5)), -1)
INPUT_VARIANCE = 1.0 / 3.0
# How far a range reaches beyond the mean, in standard deviations.
REACH = 4.0
# Means over a map vary less than its pixels do; the deviation that the classifier counts on.
POOLED_SHARE = 0.5
LOGIT_DEVIATION = 2.5


@dataclass(frozen=True, eq=False)
class SeededLayer:
    """One convolution: `integers` times `scale` per output channel, and a float32 `bias`.

    `integers` int8 `[KH, KW, Cin, Cout]`, depthwise `[KH, KW, C]`; `quant` of the int8 output, and
    of the sum after it where the block has a residual, and of the mean behind the head.
    """

    name: str
    integers: Array
    scale: Array
    bias: Array
    stride: int
    relu6: bool
    depthwise: bool
    quant: QuantParams
    after: QuantParams | None = None

    @property
    def weight(self) -> Array:
        """float32 weights."""
        weight: Array = self.integers.astype(np.float32) * self.scale
        return weight


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance per channel, float64."""

    mean: Array
    variance: Array


def seeded_layers(network: Architecture, seed: int) -> tuple[SeededLayer, ...]:
    """The convolutions of `network` in order: stem, blocks, head, classifier."""
    maker = LayerMaker(seed)
    channels = network.input_channels
    x = Moments(np.zeros(channels), np.full(channels, INPUT_VARIANCE))
    x = maker.convolution("stem", x, network.stem_channels, kernel=KERNEL, stride=2, relu6=True)
    for block in network.blocks:
        name, before = f"block{block.index}", x
        if block.has_expand:
            x = maker.convolution(f"{name}.expand", x, block.expanded_channels, relu6=True)
        x = maker.depthwise(f"{name}.depthwise", x, block.stride)
        residual = before if block.has_residual else None
        x = maker.convolution(
            f"{name}.project", x, block.output_channels, relu6=False, residual=residual
        )
    x = maker.convolution("head", x, network.head_channels, relu6=True, pooled=True)
    maker.classifier(x, network.classes)
    return tuple(maker.layers)


class LayerMaker:
    """Draws layers one after the other and carries the moments."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.layers: list[SeededLayer] = []

    def _integers(self, shape: tuple[int, ...]) -> Array:
        return self.random.integers(-127, 128, shape, dtype=np.int8)

    def _uniform(self, low: float, high: float, count: int) -> Array:
        return low + (high - low) * self.random.random(count)

    def _targets(self, count: int, relu6: bool) -> tuple[Array, Array]:
        """Seeded mean and deviation per channel, before the ReLU6."""
        if relu6:
            return self._uniform(0.2, 1.4, count), self._uniform(0.8, 1.8, count)
        return self._uniform(-0.5, 0.5, count), self._uniform(0.6, 1.2, count)

    def convolution(
        self,
        name: str,
        x: Moments,
        channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        relu6: bool,
        residual: Moments | None = None,
        pooled: bool = False,
    ) -> Moments:
        """A dense convolution; the moments behind it (and behind its residual)."""
        integers = self._integers((kernel, kernel, x.mean.size, channels))
        w = integers.astype(np.float64)
        mean = np.einsum("yxio,i->o", w, x.mean)
        variance = np.einsum("yxio,i->o", w * w, x.variance)
        return self._normalised(
            name, integers, mean, variance, stride, relu6, False, residual, pooled
        )

    def depthwise(self, name: str, x: Moments, stride: int) -> Moments:
        """A depthwise convolution with ReLU6; the moments behind it."""
        integers = self._integers((KERNEL, KERNEL, x.mean.size))
        w = integers.astype(np.float64)
        mean = w.sum((0, 1)) * x.mean
        variance = (w * w).sum((0, 1)) * x.variance
        return self._normalised(name, integers, mean, variance, stride, True, True, None, False)

    def classifier(self, x: Moments, classes: int, name: str = "classifier") -> None:
        """The last layer: logits of mean 0, whatever the mean of the features."""
        integers = self._integers((1, 1, x.mean.size, classes))
        w = integers.astype(np.float64)[0, 0]
        variance = (w * w).T @ (x.variance * POOLED_SHARE)
        scale = _snap(LOGIT_DEVIATION / np.sqrt(variance))
        bias = _snap(-scale * (w.T @ x.mean))
        reach = REACH * LOGIT_DEVIATION
        self._append(name, integers, scale, bias, 1, False, False, range_between(-reach, reach))

    def _normalised(
        self,
        name: str,
        integers: Array,
        mean: Array,
        variance: Array,
        stride: int,
        relu6: bool,
        depthwise: bool,
        residual: Moments | None,
        pooled: bool,
    ) -> Moments:
        target_mean, deviation = self._targets(mean.size, relu6)
        # A depthwise channel of nine zero weights has no deviation of its own.
        scale = _snap(deviation / np.sqrt(np.maximum(variance, 1.0)))
        bias = _snap(target_mean - scale * mean)
        out = Moments(target_mean, scale * scale * variance)
        quant, after = range_of(out), None
        if relu6:
            out = _relu6(out)
            quant = range_between(0.0, RELU6)
        if residual is not None:
            out = Moments(out.mean + residual.mean, out.variance + residual.variance)
            after = range_of(out)
        if pooled:
            after = range_between(0.0, float(np.max(out.mean + np.sqrt(out.variance))))
        self._append(name, integers, scale, bias, stride, relu6, depthwise, quant, after)
        return out

    def _append(
        self,
        name: str,
        integers: Array,
        scale: Array,
        bias: Array,
        stride: int,
        relu6: bool,
        depthwise: bool,
        quant: QuantParams,
        after: QuantParams | None = None,
    ) -> None:
        single = scale.astype(np.float32), bias.astype(np.float32)
        self.layers.append(
            SeededLayer(name, integers, *single, stride, relu6, depthwise, quant, after)
        )


def _snap(values: Array) -> Array:
    """Values rounded to 12 bits, so that the last bit of a sum or a root cannot matter."""
    fraction, exponent = np.frexp(values)
    snapped: Array = np.ldexp(np.rint(np.ldexp(fraction, 12)), exponent - 12)
    return snapped


def range_between(low: float, high: float) -> QuantParams:
    """int8 parameters for [low, high], which holds 0."""
    scale = float(np.float32(_snap(np.array((high - low) / 255.0))))
    return QuantParams(scale, int(np.clip(np.rint(-128 - low / scale), -128, 127)))


def range_of(x: Moments) -> QuantParams:
    """int8 parameters that hold the mean of every channel and some deviations."""
    reach = REACH * np.sqrt(x.variance)
    return range_between(min(0.0, float(np.min(x.mean - reach))), float(np.max(x.mean + reach)))


def _relu6(x: Moments) -> Moments:
    """Moments of a Gaussian clipped to [0, 6]."""
    deviation = np.sqrt(x.variance)
    low, high = (0.0 - x.mean) / deviation, (RELU6 - x.mean) / deviation
    erf = np.vectorize(math.erf, otypes=[np.float64])
    below, above = 0.5 * (1 + erf(low / math.sqrt(2))), 0.5 * (1 - erf(high / math.sqrt(2)))
    at_low, at_high = (np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) for z in (low, high))
    inside = 1 - below - above
    mean = x.mean * inside + deviation * (at_low - at_high) + RELU6 * above
    square = (
        (x.mean**2 + x.variance) * inside
        + 2 * x.mean * deviation * (at_low - at_high)
        + x.variance * (low * at_low - high * at_high)
        + RELU6**2 * above
    )
    return Moments(mean, np.maximum(square - mean**2, 1e-6))
