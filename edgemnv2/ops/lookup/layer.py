"""The layer that is a table."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Lookup"]


@dataclass(frozen=True, eq=False)
class Lookup(Unary):
    """Integers of one quantisation as those of another."""
