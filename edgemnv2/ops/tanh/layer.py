"""The tanh layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Tanh"]


@dataclass(frozen=True, eq=False)
class Tanh(Unary):
    """Hyperbolic tangent of each value."""
