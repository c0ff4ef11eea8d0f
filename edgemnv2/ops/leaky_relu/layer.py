"""The layer of leaky_relu."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["LeakyRelu"]


@dataclass(frozen=True, eq=False)
class LeakyRelu(Unary):
    """`x`, below zero `alpha * x` of each value."""

    alpha: float = 0.01
