"""Rows of a padded map: its operand's, shifted; rows of the fill value around them."""

from __future__ import annotations

import numpy as np

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.pad.layer import Pad
from edgemnv2.ops.rows import RowContext

__all__ = ["rows"]


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Row `r` out of row `r - top`."""
    assert isinstance(layer, Pad)
    dtype = context.graph.tensor_out(layer).dtype
    fill = np.array([layer.value]).astype(dtype).tobytes()
    context.windowed(layer, window=1, stride=1, before=layer.padding[0], fill=fill)
