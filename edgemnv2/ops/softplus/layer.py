"""The layer of softplus."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Softplus"]


@dataclass(frozen=True, eq=False)
class Softplus(Unary):
    """`log(1 + exp(x))` of each value."""
