"""The copy layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["Copy"]


@dataclass(frozen=True, eq=False)
class Copy(Layer):
    """What is stored, as it is; of any type."""

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True
