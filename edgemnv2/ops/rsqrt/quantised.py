"""Why the quantiser leaves reciprocals of roots in floats."""

from __future__ import annotations

from edgemnv2.ops.rsqrt.layer import Rsqrt

__all__ = ["stays_float"]


def stays_float(layer: Rsqrt) -> str:
    """The reason."""
    del layer
    return "ONNX has no operator of its own for it"
