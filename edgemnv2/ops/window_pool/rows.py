"""Rows of pooling with a window: rows outside are lowest values, or nothing to add."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.rows import RowContext
from edgemnv2.ops.window_pool.layer import MaxPool, Window

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of the rows under the window."""
    assert isinstance(layer, Window)
    dtype = np.dtype(context.graph.tensor_in(layer).dtype)
    fill = np.zeros(1, dtype)
    if isinstance(layer, MaxPool):
        fill[0] = np.finfo(dtype).min if dtype.kind == "f" else np.iinfo(dtype).min
    context.windowed(
        layer,
        window=layer.kernel[0],
        stride=layer.stride[0],
        before=layer.padding[0],
        dilation=layer.dilation[0],
        fill=fill.tobytes(),
    )
