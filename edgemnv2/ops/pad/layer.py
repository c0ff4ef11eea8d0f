"""The padding layer."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Layer

__all__ = ["Pad"]


@dataclass(frozen=True, eq=False)
class Pad(Layer):
    """Rows, columns and channels of `value` around a map.

    `padding` (top, left, bottom, right), `channels` (before, after); `value` as it is stored.
    """

    padding: tuple[int, int, int, int]
    channels: tuple[int, int]
    value: float

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    def stored_higher(self, by: int) -> Pad:
        """The fill value moves, too."""
        return replace(self, value=self.value + by)

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True

    def stored_in(self, quant: QuantParams) -> Pad | None:
        """Where the fill value is one of those that can be stored."""
        steps = round(self.value / quant.scale) + quant.zero_point
        return replace(self, value=float(steps)) if -128 <= steps <= 127 else None
