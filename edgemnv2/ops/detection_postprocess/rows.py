"""Rows of detections: all boxes and scores are there before the first is known."""

from __future__ import annotations

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """One step, out of both maps."""
    context.whole(layer)
