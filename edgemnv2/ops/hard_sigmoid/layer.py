"""The layer of hard_sigmoid."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["HardSigmoid"]


@dataclass(frozen=True, eq=False)
class HardSigmoid(Unary):
    """`min(max(alpha * x + beta, 0), 1)` of each value."""

    alpha: float = 0.2
    beta: float = 0.5
