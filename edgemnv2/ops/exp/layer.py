"""The exp layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Exp"]


@dataclass(frozen=True, eq=False)
class Exp(Unary):
    """Exponential of each value."""

    @property
    def needs_float32(self) -> bool:
        """Of what is above 11."""
        return True
