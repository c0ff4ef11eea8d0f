"""The range of an activation: min-max, percentile, or the one with the least measured error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import QuantParams

__all__ = ["METHODS", "affine", "choose_range", "quantized_and_back"]

Array = NDArray[Any]

METHODS = ("error", "min-max", "percentile")
"""`error`: of many clipped ranges, the one with the least squared error after weighting."""
LEVELS = 255
"""Steps of an int8 range."""
SAMPLED_VALUES = 4_000_000
"""Enough for rare outliers to be among them."""
BINS = 4096
"""Of the histogram that stands for the values: 16 to a step of the widest range."""
PERCENTILE = 99.99
SHRINKING = np.linspace(1.0, 0.5, 26)
"""Candidate ends, as shares of the largest value; negative ends are tried at every second."""


def affine(low: float, high: float) -> QuantParams:
    """The int8 quantisation of `low .. high`, widened to hold zero; its scale is a float32."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / LEVELS, 1e-8)))
    zero_point = round(-128 - low / scale)
    return QuantParams(scale, int(np.clip(zero_point, -128, 127)))


def quantized_and_back(values: Array, quant: QuantParams) -> Array:
    """The real values that int8 storage keeps of `values`."""
    stored = np.rint(values / np.float32(quant.scale)) + quant.zero_point
    kept: Array = np.clip(stored, -128, 127) - quant.zero_point
    return kept * np.float32(quant.scale)


def choose_range(values: Array, importance: Array, method: str = "error") -> QuantParams:
    """The quantisation of an activation `[N, H, W, C]`.

    `importance` `[C]` weights a channel's squared error: how strongly the next layer reads it.
    """
    pixels = values.reshape(-1, values.shape[-1])
    low, high = float(pixels.min()), float(pixels.max())
    if method == "min-max":
        return affine(low, high)
    sampled = pixels[:: max(1, pixels.size // SAMPLED_VALUES)]
    if method == "percentile":
        ends = np.percentile(sampled, [100 - PERCENTILE, PERCENTILE])
        return affine(float(ends[0]), float(ends[1]))

    centres, weights = _histogram(sampled, importance, low, high)

    def error(quant: QuantParams) -> float:
        return float((quantized_and_back(centres, quant) - centres) ** 2 @ weights)

    return min(_candidates(low, high), key=error)


def _histogram(pixels: Array, importance: Array, low: float, high: float) -> tuple[Array, Array]:
    """Bin centres and how much of the weighted values lies in each."""
    width = max((high - low) / BINS, 1e-12)
    index = ((pixels - np.float32(low)) * np.float32(1 / width)).astype(np.int32)
    np.clip(index, 0, BINS - 1, out=index)
    weights = np.broadcast_to(importance, pixels.shape)
    counts = np.bincount(index.reshape(-1), weights.reshape(-1), minlength=BINS)
    centres = low + (np.arange(BINS) + 0.5) * width
    return centres.astype(np.float32), counts


def _candidates(low: float, high: float) -> Iterator[QuantParams]:
    """Min-max first, so that it wins among equals."""
    for low_share in SHRINKING[::2] if low < 0 else SHRINKING[:1]:
        for high_share in SHRINKING if high > 0 else SHRINKING[:1]:
            yield affine(low * float(low_share), high * float(high_share))
