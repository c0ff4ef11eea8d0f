"""The layer of log."""

from __future__ import annotations

from dataclasses import dataclass

from edgemnv2.ops.unary import Unary

__all__ = ["Log"]


@dataclass(frozen=True, eq=False)
class Log(Unary):
    """Natural logarithm of each value."""
