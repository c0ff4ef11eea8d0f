"""The layer of elu."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Elu"]


@dataclass(frozen=True, eq=False)
class Elu(Unary):
    """`x`, below zero `alpha * (exp(x) - 1)` of each value."""

    alpha: float = 1.0
