"""The range of an activation: min-max, percentile, or the one with the least measured error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.reproducible import exp, log, ordered_sum
from edgemnv2.model import QuantParams

__all__ = [
    "METHODS",
    "Histogram",
    "affine",
    "choose_range",
    "choose_score_range",
    "quantized_and_back",
]

Array = NDArray[Any]

METHODS = ("error", "min-max", "percentile")
"""`error`: of many clipped ranges, the one with the least squared error after weighting."""
LEVELS = 255
"""Steps of an int8 range."""
SAMPLED_VALUES = 4_000_000
"""Over all images: enough for rare outliers to be among them."""
AT_ONCE = 16
"""Ranges whose errors are computed together: as much as a cache holds."""
BINS = 4096
"""Of the histogram that stands for the values: 16 to a step of the widest range."""
PERCENTILE = 99.99
SHRINKING = np.linspace(1.0, 0.5, 26)
"""Candidate ends, as shares of the largest value; negative ends are tried at every second."""

SCORE_SHRINKING = np.linspace(1.0, 0.0, 21)
"""The same for class scores."""


def affine(low: float, high: float) -> QuantParams:
    """The int8 quantisation of `low .. high`, widened to hold zero; its scale is a float32."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / LEVELS, 1e-8)))
    zero_point = round(-128 - low / scale)
    return QuantParams(scale, int(np.clip(zero_point, -128, 127)))


def quantized_and_back(values: Array, quant: QuantParams) -> Array:
    """The real values that int8 storage keeps of `values`."""
    return _kept(values, np.float32(quant.scale), np.float32(quant.zero_point))


def _kept(values: Array, scale: Any, zero_point: Any) -> Array:
    stored = np.rint(values / scale) + zero_point
    kept: Array = np.clip(stored, -128, 127) - zero_point
    back: Array = kept * scale
    return back


class Histogram:
    """How the values of an activation are distributed between its limits, image by image.

    `importance` `[C]` weights a channel's squared error: how strongly the next layer reads it.
    """

    def __init__(self, low: float, high: float, importance: Array, images: int) -> None:
        self.low, self.high = low, high
        self.matters = bool(importance.any())
        """Whether anybody reads the activation."""
        self._importance = importance
        self._sampled = max(1, SAMPLED_VALUES // images)
        self._width = max((high - low) / BINS, 1e-12)
        self._weighted = np.zeros(BINS)
        self._counted = np.zeros(BINS, np.int64)

    def add(self, values: Array) -> None:
        """Take in the activation `[N, H, W, C]`, or enough of its pixels."""
        for image in values:
            pixels = image.reshape(-1, image.shape[-1])
            pixels = pixels[:: max(1, pixels.size // self._sampled)]
            index = ((pixels - np.float32(self.low)) * np.float32(1 / self._width)).astype(np.int32)
            index = np.clip(index, 0, BINS - 1).reshape(-1)
            weights = np.broadcast_to(self._importance, pixels.shape).reshape(-1)
            self._weighted += np.bincount(index, weights, minlength=BINS)
            self._counted += np.bincount(index, minlength=BINS)

    @property
    def _centres(self) -> Array:
        return (self.low + (np.arange(BINS) + 0.5) * self._width).astype(np.float32)

    def error(self, quant: QuantParams) -> float:
        """The weighted squared error of storing the activation in `quant`."""
        return float(self.errors([quant])[0])

    def errors(self, quants: Sequence[QuantParams]) -> Array:
        """`error` of each of `quants`, float64."""
        centres = self._centres
        weights = self._weighted if self.matters else self._counted
        found = []
        for first in range(0, len(quants), AT_ONCE):
            some = quants[first : first + AT_ONCE]
            scale, zero_point = (
                np.array([[number] for number in numbers], np.float32)
                for numbers in ([q.scale for q in some], [q.zero_point for q in some])
            )
            error = (_kept(centres, scale, zero_point) - centres).astype(np.float64)
            error *= error
            error *= weights
            found.append(ordered_sum(error, axis=1))
        return np.concatenate(found)

    def percentiles(self, share: float) -> tuple[float, float]:
        """The values that `share` percent of all lie above, and below."""
        seen = np.cumsum(self._counted) / max(1, self._counted.sum())
        low = self.low + self._width * float(np.searchsorted(seen, 1 - share / 100))
        high = self.low + self._width * float(np.searchsorted(seen, share / 100) + 1)
        return low, high


def choose_range(histogram: Histogram, method: str = "error") -> QuantParams:
    """The quantisation of an activation by one of `METHODS`."""
    low, high = histogram.low, histogram.high
    if method == "min-max":
        return affine(low, high)
    if method == "percentile":
        return affine(*histogram.percentiles(PERCENTILE))
    candidates = list(_candidates(low, high))
    return candidates[int(histogram.errors(candidates).argmin())]


def choose_score_range(scores: Array) -> QuantParams:
    """The quantisation of class scores `[N, classes]` that changes their softmax least.

    By Kullback-Leibler divergence, summed over the images. What is far below an image's best score
    is cut off, and the steps between the best ones become smaller, so that fewer of them tie.
    """
    scores = scores.astype(np.float32)
    wanted = _log_softmax(scores)
    weights = exp(wanted)

    def divergence(quant: QuantParams) -> float:
        found = _log_softmax(quantized_and_back(scores, quant))
        return float(ordered_sum(ordered_sum(weights * (wanted - found), axis=1)))

    low, high = float(scores.min()), float(scores.max())
    lows = SCORE_SHRINKING if low < 0 else SCORE_SHRINKING[:1]
    highs = SCORE_SHRINKING if high > 0 else SCORE_SHRINKING[:1]
    return min(
        (affine(low * float(a), high * float(b)) for a in lows for b in highs), key=divergence
    )


def _log_softmax(scores: Array) -> Array:
    """Of `[N, classes]`, float64."""
    shifted = (scores - scores.max(axis=1, keepdims=True)).astype(np.float64)
    return np.asarray(shifted - log(ordered_sum(exp(shifted), axis=1))[:, np.newaxis])


def _candidates(low: float, high: float) -> Iterator[QuantParams]:
    """Min-max first, so that it wins among equals."""
    for low_share in SHRINKING[::2] if low < 0 else SHRINKING[:1]:
        for high_share in SHRINKING if high > 0 else SHRINKING[:1]:
            yield affine(low * float(low_share), high * float(high_share))
