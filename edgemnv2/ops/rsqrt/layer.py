"""The inverse square root layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Rsqrt"]


@dataclass(frozen=True, eq=False)
class Rsqrt(Unary):
    """Inverse of the square root of each value."""
