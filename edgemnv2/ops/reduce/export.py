"""Reductions in ONNX files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.reduce.layer import Reduce

__all__ = ["onnx"]


KINDS = {"max": "ReduceMax", "min": "ReduceMin", "mean": "ReduceMean", "sum": "ReduceSum"}
# Of height, width and channels.
AXES = (2, 3, 1)
AXES_ARE_AN_INPUT = {"sum": 13, "max": 18, "min": 18, "mean": 18}
"""From which opset on."""


def onnx(layer: Reduce, to: OnnxWriter) -> str:
    """ReduceMax, ReduceMin, ReduceMean or ReduceSum; Identity over no axis."""
    axes = sorted(AXES[axis] for axis in layer.axes)
    kind, x = KINDS[layer.function], to.real(layer.inputs[0])
    if not axes:
        # ONNX takes no axis for all of them.
        return to.node("Identity", [x])
    if to.opset < AXES_ARE_AN_INPUT[layer.function]:
        return to.node(kind, [x], axes=axes, keepdims=1)
    name = to.constant(f"{layer.name}.axes", np.array(axes, np.int64))
    return to.node(kind, [x, name], keepdims=1)
