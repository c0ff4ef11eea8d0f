"""The quantise layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer

__all__ = ["Quantize"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Quantize(Layer):
    """float32 to integer: `clamp(round(x / scale) + zero_point)`.

    `rounding` is "away" (TFLite: halves away from zero) or "even" (ONNX).
    """

    rounding: str = "away"

    @property
    def decides(self) -> bool:
        """It rounds."""
        return True
