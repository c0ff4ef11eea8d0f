"""The negation layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Negate"]


@dataclass(frozen=True, eq=False)
class Negate(Unary):
    """Negation of each value."""
