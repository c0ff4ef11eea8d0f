"""The square layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Square"]


@dataclass(frozen=True, eq=False)
class Square(Unary):
    """Square of each value."""
