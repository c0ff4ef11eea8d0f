"""The rescale layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer

__all__ = ["Rescale"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rescale(Layer):
    """Integer to integer of other quantisation (TFLite QUANTIZE on integers), elementwise."""

    requantize: Requantize
    clamp: tuple[float, float]
