"""Tables that other operators put in front of themselves: no node of their own."""

from __future__ import annotations

__all__ = ["NODES"]

NODES: tuple[str, ...] = ()
