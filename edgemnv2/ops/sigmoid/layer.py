"""The sigmoid layer."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Sigmoid"]


@dataclass(frozen=True, eq=False)
class Sigmoid(Unary):
    """`1 / (1 + exp(-x))` of each value."""
