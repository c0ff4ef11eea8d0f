"""The sign layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Sign"]


@dataclass(frozen=True, eq=False)
class Sign(Unary):
    """-1, 0 or 1 for each value."""
