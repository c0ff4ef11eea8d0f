"""The layer that converts types."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Cast"]


@dataclass(frozen=True, eq=False)
class Cast(Layer):
    """What is stored, as a number of the output's type; floats lose what is behind the point.

    8-bit ends count from `zero_in` and `zero_out`: the zero points with which what is stored is the
    number. Numbers that the output's type does not hold are cut to its ends.
    """

    zero_in: int = 0
    zero_out: int = 0

    @property
    def decides(self) -> bool:
        """Numbers are cut off behind the point."""
        return True
