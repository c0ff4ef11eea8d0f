"""The layer that sorts the largest values out."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["TopK"]


@dataclass(frozen=True, eq=False)
class TopK(Layer):
    """The largest channels of every pixel, the largest first; `smallest`: the smallest.

    Of equal ones the first comes first. `numbers`: which channels they are, not what they hold. How
    many, the output's channels say.
    """

    numbers: bool
    smallest: bool = False

    @property
    def keeps_storage(self) -> bool:
        """Values come out as they are stored."""
        return not self.numbers

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return not self.numbers

    @property
    def compares_only(self) -> bool:
        """Numbers are of places."""
        return self.numbers
