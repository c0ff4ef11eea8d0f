"""The layer of a rectifier with learned slopes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer

__all__ = ["Prelu"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Prelu(Layer):
    """`x`, below zero `slope * x`; `slope` `[1]`, `[C]` or a map `[H, W, C]`.

    Floats: float32. Integers follow TFLite: steps from the zero point are rescaled by `rescale[0]`,
    below zero the product with the slope by `rescale[1]`; `slope` then is int32, its zero point
    taken off.
    """

    slope: Array
    clamp: tuple[float, float]
    rescale: tuple[Requantize, ...] | None = None
