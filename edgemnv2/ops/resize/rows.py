"""Rows of a resize: the least window of a straight line that covers what each row is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer
from edgemnv2.ops.resize.layer import Resize
from edgemnv2.ops.rows import RowContext

__all__ = ["Line", "are_direct", "line_of", "rows"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Line:
    """`window` rows from `floor((r * stride + offset) / divisor)` on, for output row `r`."""

    stride: int
    offset: int
    divisor: int
    window: int

    def first(self, count: int) -> Array:
        """The first row for each of `count` output rows, existing or not."""
        return (np.arange(count) * self.stride + self.offset) // self.divisor


def line_of(layer: Resize, height: int) -> Line:
    """The line whose window is narrowest, of those that its size suggests."""
    table = layer.rows.astype(np.int64)
    low, high = table.min(axis=1), table.max(axis=1)
    out = len(table)
    slopes = {(height, out), (int(low[-1] - low[0]), max(out - 1, 1))}
    slopes |= {(max(height - 1, 1), max(out - 1, 1)), (0, 1)}
    found = []
    for stride, divisor in sorted(slopes):
        # The largest offset that begins no window too late.
        offset = int(((low + 1) * divisor - 1 - np.arange(out) * stride).min())
        line = Line(stride, offset, divisor, 1)
        window = int((high - line.first(out)).max()) + 1
        found.append(Line(stride, offset, divisor, window))
    return min(found, key=lambda line: (line.window, line.divisor, line.stride))


def rows(context: RowContext, layer: Layer, first: Layer) -> None:
    """Every row out of a few of its operand's; rows outside are the edge's."""
    assert isinstance(layer, Resize)
    line = line_of(layer, context.graph.tensor_in(layer).height)
    context.resized(
        layer,
        stride=line.stride,
        offset=line.offset,
        divisor=line.divisor,
        window=line.window,
    )


def are_direct(layer: Resize, height: int) -> bool:
    """Whether two pointers are always the two rows, or have no weight."""
    line = line_of(layer, height)
    if line.window != 2 or layer.row_weights is None:
        return False
    places = line.first(len(layer.rows))[:, np.newaxis] + np.arange(2)
    same = np.clip(places, 0, height - 1) == layer.rows
    return bool((same | (layer.row_weights == 0)).all())
