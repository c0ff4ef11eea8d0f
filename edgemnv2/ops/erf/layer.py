"""The layer of erf."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Erf"]


@dataclass(frozen=True, eq=False)
class Erf(Unary):
    """The error function of each value."""
