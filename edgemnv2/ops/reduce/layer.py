"""The reduction layer."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer, Tensor
from edgemnv2.ops.values import halves_of_means

__all__ = ["Reduce", "reduced_count", "sum_type"]

MOST_FLOAT32_TERMS = 1 << 14
"""Added one by one in float32, more of them lose what the last ones are."""


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

    def share_of_halves(self, source: Tensor) -> float:
        """Of means over the axes' extents."""
        mean = self.function == "mean"
        return halves_of_means(reduced_count(source, self.axes)) if mean else 0.0


def reduced_count(source: Tensor, axes: tuple[int, ...]) -> int:
    """How many values of `source` make one."""
    return prod(source.shape[axis] for axis in axes)


def sum_type(source: Tensor, layer: Reduce) -> str:
    """What the sums, or extremes, are kept in."""
    if not source.dtype.startswith("float"):
        return "int32"
    adds = layer.function in ("mean", "sum")
    long = adds and reduced_count(source, layer.axes) > MOST_FLOAT32_TERMS
    return "float64" if long else "float32"
