"""The clamp layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Clamp"]


@dataclass(frozen=True, eq=False)
class Clamp(Layer):
    """`min(max(x, low), high)` of stored values; scale and zero point stay."""

    clamp: tuple[float, float]

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
