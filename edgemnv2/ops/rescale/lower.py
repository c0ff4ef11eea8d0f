"""Rescales come from quantise nodes on integers: no node of their own."""

from __future__ import annotations

__all__ = ["NODES"]

NODES: tuple[str, ...] = ()
