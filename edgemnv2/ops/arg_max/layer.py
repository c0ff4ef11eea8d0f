"""The layer that names the largest channel."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.graph import Layer

__all__ = ["ArgMax"]


@dataclass(frozen=True, eq=False)
class ArgMax(Layer):
    """The number of the largest channel at every pixel, `smallest` of the smallest.

    Of equal ones the first, with `last` the last.
    """

    smallest: bool = False
    last: bool = False

    @property
    def compares_only(self) -> bool:
        """Always."""
        return True
