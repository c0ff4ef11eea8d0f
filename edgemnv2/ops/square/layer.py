"""The square layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Square"]


@dataclass(frozen=True, eq=False)
class Square(Unary):
    """Square of each value."""

    @property
    def needs_float32(self) -> bool:
        """Of what is above 256."""
        return True
