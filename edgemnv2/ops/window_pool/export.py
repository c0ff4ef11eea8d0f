"""Pooling in ONNX files."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.export import OnnxWriter, no_form
from edgemnv2.ops.window_pool.layer import AveragePool, MaxPool

__all__ = ["onnx", "opset"]


DILATED_MEANS = 19
"""The first opset that has them."""


def onnx(layer: AveragePool | MaxPool, to: OnnxWriter) -> str:
    """AveragePool or MaxPool."""
    options: dict[str, Any] = {
        "kernel_shape": list(layer.kernel),
        "strides": list(layer.stride),
        "pads": list(layer.padding),
    }
    if layer.dilation != (1, 1):
        options["dilations"] = list(layer.dilation)
    x = to.real(layer.inputs[0])
    if isinstance(layer, MaxPool):
        return to.node("MaxPool", [x], **options)
    # Padding that counts in part, behind a last window that is rounded up.
    if layer.counted not in ((0, 0, 0, 0), layer.padding):
        raise no_form(to.graph, layer, "ONNX")
    return to.node("AveragePool", [x], count_include_pad=int(any(layer.counted)), **options)


def opset(layer: AveragePool | MaxPool) -> int:
    """The first that has it."""
    return DILATED_MEANS if isinstance(layer, AveragePool) and layer.dilation != (1, 1) else 0
