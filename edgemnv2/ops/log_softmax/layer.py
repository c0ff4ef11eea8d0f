"""The log softmax layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer

__all__ = ["LogSoftmax"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class LogSoftmax(Layer):
    """`x - log(sum(exp(x)))` over channels at every pixel.

    Integer: TFLite's reference kernel, in steps of 1/16. `exp_table` is that of Softmax;
    `distances` int32 `[256]` the distance d from the maximum as a negative number in Q5.26. What
    is further than `furthest`, or than the least number in Q5.26 by `back` allows, is the lowest.
    """

    exp_table: Array | None = None
    distances: Array | None = None
    furthest: int = 0
    back: Requantize | None = None

    @property
    def mixes_channels(self) -> bool:
        """All are divided by their sum."""
        return True

    @property
    def needs_float32(self) -> bool:
        """Exponentials are added up."""
        return True
