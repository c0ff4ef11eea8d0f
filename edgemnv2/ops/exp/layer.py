"""The exp layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Exp"]


@dataclass(frozen=True, eq=False)
class Exp(Unary):
    """Exponential of each value."""
