"""The layer that selects."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Select"]


@dataclass(frozen=True, eq=False)
class Select(Layer):
    """`out[h, w, c] = x[rows[h], columns[w], channels[c]]`; any may come again, or be left out."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True

    @property
    def moves_values(self) -> bool:
        """Values are not computed with."""
        return True
