"""How well an int8 network follows its float original, layer by layer."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Layer

__all__ = ["LayerMeter", "LayerQuality", "advice", "signal_to_noise"]

Array = NDArray[Any]

GOOD_DB, POOR_DB = 20.0, 10.0
"""Signal to noise that costs MobileNetV2 nothing to speak of; below which it does."""
CLIPPED_SHARE = 0.001
OUTLIER_DB = 25.0
"""A tensor whose own 256 steps give less than this has outliers that widen its range."""
LARGEST_DB = 200.0
"""Stands for an error of nothing."""


@dataclass(frozen=True)
class LayerQuality:
    """One layer on the calibration inputs; decibels are 10 log10(signal power / error power)."""

    name: str
    op: str
    snr_db: float
    """Of the int8 network's activation against the float one: errors of all layers up to here."""
    own_snr_db: float
    """Of the float activation stored in int8: the range's share alone."""
    weight_snr_db: float | None
    """Of the rounded weights; None where there are none."""
    low: float
    high: float
    """The range that int8 holds."""
    smallest: float
    largest: float
    """The values that were seen."""
    clipped_share: float
    """Of the float values, how many lie outside the range (a ReLU6 limit does not count)."""
    stays_float: str | None = None
    """Why the layer computes in floats; None where it computes in integers."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with the advice."""
        return {**asdict(self), "advice": advice(self)}


def signal_to_noise(power: float, noise: float) -> float:
    """Decibels; `LARGEST_DB` at most, 0 where there is neither signal nor silence."""
    if noise == 0.0:
        return LARGEST_DB
    if power == 0.0:
        return 0.0
    return min(LARGEST_DB, 10.0 * math.log10(power / noise))


class LayerMeter:
    """Takes in a layer's float and int8 activations, some images at a time."""

    def __init__(
        self,
        layer: Layer,
        quant: QuantParams | None,
        weights: Array | None,
        stays_float: str | None = None,
    ) -> None:
        """`quant` is the int8 activation's, None of floats; `weights` what int8 ones stand for."""
        self._layer, self._quant, self._stays_float = layer, quant, stays_float
        self._power = self._noise = self._own_noise = 0.0
        self._outside = self._count = 0
        self._smallest, self._largest = math.inf, -math.inf
        self._weight_snr: float | None = None
        if weights is not None:
            exact = layer.parameters[0].astype(np.float64)
            self._weight_snr = signal_to_noise(_energy(exact), _energy(weights - exact))

    @property
    def tensor(self) -> str:
        """The float network's tensor."""
        return self._layer.output

    def add(self, real: Array, stored: Array) -> None:
        """`[N, H, W, C]` each."""
        self._power += _energy(real)
        self._count += real.size
        self._smallest = min(self._smallest, float(real.min()))
        self._largest = max(self._largest, float(real.max()))
        if self._quant is None:
            self._noise += _energy(stored - real)
            return
        scale, zero_point = np.float32(self._quant.scale), self._quant.zero_point
        bottom, top = -128 - zero_point, 127 - zero_point
        kept = (stored.astype(np.float32) - np.float32(zero_point)) * scale
        self._noise += _energy(kept - real)
        steps = np.rint(real / scale)
        self._outside += int(np.count_nonzero((steps < bottom) | (steps > top)))
        self._own_noise += _energy(np.clip(steps, bottom, top) * scale - real)

    def quality(self) -> LayerQuality:
        """Of all that was taken in."""
        low, high = self._smallest, self._largest
        if self._quant is not None:
            scale, zero_point = self._quant.scale, self._quant.zero_point
            low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
        return LayerQuality(
            name=self._layer.name,
            op=self._layer.op,
            snr_db=signal_to_noise(self._power, self._noise),
            own_snr_db=signal_to_noise(self._power, self._own_noise),
            weight_snr_db=self._weight_snr,
            low=low,
            high=high,
            smallest=self._smallest,
            largest=self._largest,
            clipped_share=self._outside / max(1, self._count),
            stays_float=self._stays_float,
        )


def _energy(values: Array) -> float:
    flat = values.reshape(-1)
    return float(flat @ flat)


def advice(layer: LayerQuality) -> str | None:
    """What to do about a layer that follows badly; None for one that does not."""
    if layer.snr_db >= GOOD_DB:
        return None
    if layer.weight_snr_db is not None and layer.weight_snr_db < GOOD_DB:
        return "weights lose most: use one scale per channel (without --per-tensor)"
    if layer.own_snr_db < OUTLIER_DB:
        return "a few outliers widen the range: calibrate on more and more typical images"
    if layer.clipped_share > CLIPPED_SHARE:
        return "values are cut off: calibrate on more images, of the kind the device will see"
    if layer.snr_db < POOR_DB:
        return "the error comes from the layers in front; look at the first poor one"
    return None
