"""The factor by which an integer layer's sums become stored values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

__all__ = ["Requantize", "Rounding"]

Array = NDArray[Any]
Rounding = Literal["twice", "once", "even"]


@dataclass(frozen=True, eq=False)
class Requantize:
    """A fixed-point factor per output channel: `multiplier * 2**(shift - 31)`.

    `multiplier` int32 `[C]` in [2**30, 2**31) (0 for a dead channel), `shift` int32 `[C]`, positive
    to the left. How the int64 product becomes a whole number is the `rounding`:

    `twice`  TFLite: SaturatingRoundingDoublingHighMul, then RoundingDivideByPOT.
    `once`   LiteRT's int8 FULLY_CONNECTED: once by `31 - shift` bits, halves away from zero.
    `even`   ONNX: once by `31 - shift` bits, halves to even; nothing wraps. Multipliers may be
             smaller than 2**30, and `addend` (int64 `[C]`, below 2**61) is added to the product:
             what of a bias is no whole step of the sum, or does not fit into int32.
    """

    multiplier: Array
    shift: Array
    rounding: Rounding = "twice"
    addend: Array | None = None

    @property
    def single_rounding(self) -> bool:
        """Whether it rounds once, halves away from zero."""
        return self.rounding == "once"
