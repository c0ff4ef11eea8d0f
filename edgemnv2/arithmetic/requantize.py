"""The factor by which an integer layer's sums become stored values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

__all__ = ["Requantize"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Requantize:
    """TFLite's fixed-point factor per output channel: `multiplier * 2**(shift - 31)`.

    `multiplier` int32 `[C]` in [2**30, 2**31) (0 for a dead channel), `shift` int32 `[C]`, positive
    to the left. Applied as SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT.

    `single_rounding`: the int64 product is rounded once, halves away from zero, by `31 - shift`
    bits. LiteRT rounds its int8 FULLY_CONNECTED so, every convolution twice.
    """

    multiplier: Array
    shift: Array
    single_rounding: bool = False
