"""The absolute value layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Abs"]


@dataclass(frozen=True, eq=False)
class Abs(Unary):
    """Absolute value of each value."""
