"""Another map of the same bytes."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Reshape"]


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The elements in their order, as rows of another length."""

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
