"""Elements in another order."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Transpose"]


@dataclass(frozen=True, eq=False)
class Transpose(Layer):
    """The map's elements seen as `memory` (their extents in order), axes permuted by `axes`."""

    memory: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
