"""The square root layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Sqrt"]


@dataclass(frozen=True, eq=False)
class Sqrt(Unary):
    """Square root of each value."""
