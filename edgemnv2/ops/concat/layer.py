"""The concatenation layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["AXES", "Concat"]

AXES = ("height", "width", "channels")


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """The inputs behind one another along `axis`; all ends have one type and scale."""

    axis: str

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
