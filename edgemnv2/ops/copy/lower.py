"""No node of a flow becomes a copy: `passes.separate_outputs` adds them where they are needed."""

from __future__ import annotations

__all__ = ["NODES"]

NODES = ()
