"""Why the quantiser leaves a parametric ReLU in floats."""

from __future__ import annotations

from edgemnv2.ops.prelu.layer import Prelu

__all__ = ["stays_float"]


def stays_float(layer: Prelu) -> str:
    """The reason."""
    del layer
    return "ONNX has no integer form of PRelu: TFLite's rounds otherwise"
