"""Why the quantiser leaves casts in floats."""

from __future__ import annotations

from edgemnv2.ops.cast.layer import Cast

__all__ = ["stays_float"]


def stays_float(layer: Cast) -> str:
    """The reason."""
    del layer
    return "numbers are counted, not measured: they have no scale"
