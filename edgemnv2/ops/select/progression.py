"""Index lists that are arithmetic progressions, which need no table."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["progression"]


def progression(indices: Sequence[int]) -> tuple[int, int] | None:
    """`(first, step)` with `indices[i] = first + i * step` and a step of 0 or more; else None."""
    first = indices[0]
    step = indices[1] - first if len(indices) > 1 else 1
    steady = all(index == first + i * step for i, index in enumerate(indices))
    return (first, step) if steady and step >= 0 else None
