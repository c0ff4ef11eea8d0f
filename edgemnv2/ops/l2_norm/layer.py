"""The layer that divides by lengths."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["L2Norm"]


@dataclass(frozen=True, eq=False)
class L2Norm(Layer):
    """Every pixel divided by the square root of the sum of its channels' squares.

    Floats: by no less than `epsilon`. Integers: TFLite's reference kernels, in steps of 1/128;
    `shifted_first`: as that of uint8, which shifts left by 7 before it multiplies, not after.
    """

    epsilon: float
    shifted_first: bool = False

    @property
    def needs_float32(self) -> bool:
        """Squares are added up."""
        return True
