"""Selections in ONNX files."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.export import OnnxWriter
from edgemnv2.ops.select.layer import Select

__all__ = ["onnx"]


def onnx(layer: Select, to: OnnxWriter) -> str:
    """Gather along each axis of which not all is taken; Identity where all is."""
    source = to.graph.tensor_in(layer)
    taken = (
        (1, layer.channels, source.channels),
        (2, layer.rows, source.height),
        (3, layer.columns, source.width),
    )
    steps = [(axis, indices) for axis, indices, size in taken if indices != tuple(range(size))]
    value = to.real(layer.inputs[0])
    if not steps:
        return to.node("Identity", [value])
    for axis, indices in steps:
        name = to.constant(f"{layer.name}.indices{axis}", np.array(indices, np.int64))
        inner = None if axis == steps[-1][0] else f"{layer.name}.axis{axis}"
        value = to.node("Gather", [value, name], inner, axis=axis)
    return value
