"""The layer of gelu."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Gelu"]


@dataclass(frozen=True, eq=False)
class Gelu(Unary):
    """`x / 2 * (1 + erf(x / sqrt(2)))` of each value, or its `approximate` form by tanh."""

    approximate: bool = False
