"""The concatenation layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["AXES", "Concat"]

AXES = ("height", "width", "channels")


@dataclass(frozen=True, eq=False)
class Concat(Layer):
    """The inputs behind one another along `axis`; all ends have one type and scale.

    Along the height a row of an input may be several rows of the output, one behind the other: the
    flattened heads of a detector.
    """

    axis: str

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
