"""The dequantise layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer

__all__ = ["Dequantize"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dequantize(Layer):
    """Integer to float32: `scale * (x - zero_point)` in float32."""

    @property
    def moves_values(self) -> bool:
        """They are what the integers stand for."""
        return True
