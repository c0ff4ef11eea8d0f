"""Why the quantiser leaves a norm in floats."""

from __future__ import annotations

from edgemnv2.ops.l2_norm.layer import L2Norm

__all__ = ["stays_float"]


def stays_float(layer: L2Norm) -> str:
    """The reason."""
    del layer
    return "ONNX has no integer form of LpNormalization: TFLite's rounds otherwise"
