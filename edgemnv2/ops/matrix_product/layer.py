"""The layer that multiplies matrices."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer, Tensor

__all__ = ["MatrixProduct"]


@dataclass(frozen=True, eq=False)
class MatrixProduct(Layer):
    """`out[h] = a[h] b[h]`: a row of each map is a matrix, `[W, C]` each; one of height 1 is
    repeated.

    Float: float32. Integer with `requantize`: the sum of products, zero points taken off,
    requantised by one factor, `+ zy`.
    """

    depth: int
    """How many products are summed: the channels of `a`."""
    clamp: tuple[float, float]
    requantize: Requantize | None = None

    @property
    def mixes_channels(self) -> bool:
        """Every value is made of all channels of a pixel."""
        return True

    def macs(self, out: Tensor) -> int:
        """A sum of products for every value of the output."""
        return out.height * out.width * out.channels * self.depth
