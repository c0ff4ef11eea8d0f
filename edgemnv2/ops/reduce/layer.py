"""The reduction layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer, Tensor

__all__ = ["Reduce", "reduced_count"]


@dataclass(frozen=True, eq=False)
class Reduce(Layer):
    """`function` ("max", "min", "mean" or "sum") over `axes` of `[H, W, C]`, which become 1.

    Least and largest values are those stored. Integer sums and means: `sum - count * zx`,
    requantised by one factor (which has 1/count in it for a mean), `+ zy`.
    """

    function: str
    axes: tuple[int, ...]
    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def keeps_storage(self) -> bool:
        """The largest of what is stored is stored."""
        return self.function in ("max", "min")

    def averages(self, source: Tensor) -> int:
        """The axes' extents, of a mean."""
        return reduced_count(source, self.axes) if self.function == "mean" else 1


def reduced_count(source: Tensor, axes: tuple[int, ...]) -> int:
    """How many values of `source` make one."""
    return prod(source.shape[axis] for axis in axes)
