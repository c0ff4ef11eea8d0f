"""Where everything of a program for several threads lies: what is planned, and what is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Ring", "ThreadPlan"]


@dataclass(frozen=True)
class Ring:
    """Row `r` lies at `base + (r % depth) * row_bytes`."""

    base: int
    depth: int


@dataclass(frozen=True)
class ThreadPlan:
    """Arena offsets, bytes."""

    shared: Mapping[str, int]
    private: Mapping[tuple[int, str], Ring]
    """By thread and tensor; tensors without a row in that thread's band are left out."""
    scratch: Mapping[tuple[int, int], int]
    """By stage and thread."""
    arena_bytes: int
    lower_bound_bytes: int
    """Most bytes alive in any stage."""
    align_bytes: int
