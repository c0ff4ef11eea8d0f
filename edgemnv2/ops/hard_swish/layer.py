"""The layer of hard_swish."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["HardSwish"]


@dataclass(frozen=True, eq=False)
class HardSwish(Unary):
    """`x * min(max(x + 3, 0), 6) / 6` of each value."""
