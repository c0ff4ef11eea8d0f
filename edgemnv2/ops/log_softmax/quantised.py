"""Why the quantiser leaves logarithms of shares in floats."""

from __future__ import annotations

from edgemnv2.ops.log_softmax.layer import LogSoftmax

__all__ = ["stays_float"]


def stays_float(layer: LogSoftmax) -> str:
    """The reason."""
    del layer
    return "ONNX has no integer form of LogSoftmax: TFLite's rounds otherwise"
