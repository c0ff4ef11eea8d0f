"""Pooling layers with windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.graph import Layer, Tensor
from edgemnv2.ops.values import halves_of_means

__all__ = ["AveragePool", "MaxPool", "Window", "axis_counts"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Window(Layer):
    """`kernel`, `stride` and `dilation` (y, x); `padding` (top, left, bottom, right).

    What lies outside of the map has no say.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    clamp: tuple[float, float]
    dilation: tuple[int, int]

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns from the first to the last of a window."""
        (kh, kw), (dy, dx) = self.kernel, self.dilation
        return (kh - 1) * dy + 1, (kw - 1) * dx + 1


@dataclass(frozen=True, eq=False)
class MaxPool(Window):
    """The largest value of each window, as it is stored."""

    @property
    def keeps_storage(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True, eq=False)
class AveragePool(Window):
    """The mean of each window.

    It divides by the number of elements that lie in the map, or in the padding `counted` (top,
    left, bottom, right) around it. Float: sum / count. Integer with `requantize`: `sum - n * zx`
    over the `n` elements in the map, requantised by the factor of the count (the first is that of
    count 1), `+ zy`. Integer without (TFLite AVERAGE_POOL_2D; same scale on both sides): the sum
    divided by the count, halves away from zero.
    """

    counted: tuple[int, int, int, int]
    requantize: Requantize | None = None

    @property
    def keeps_storage(self) -> bool:
        """TFLite's AVERAGE_POOL_2D averages what is stored."""
        return self.requantize is None

    def rounds_storage(self, source: Tensor) -> bool:
        """Halves are rounded away from zero."""
        return self.requantize is None

    def share_of_halves(self, source: Tensor) -> float:
        """Of means of the window; at an edge, of two at least."""
        return halves_of_means(2 if any(self.padding) else self.kernel[0] * self.kernel[1])


def axis_counts(layer: Window, axis: int, extent: int, out: int, before: int, after: int) -> Array:
    """int32 `[out]`: how many elements of each window along `axis` (0 or 1) lie in the map.

    The map of `extent` has `before` and `after` more elements around it that count.
    """
    first = np.arange(out)[:, np.newaxis] * layer.stride[axis] - layer.padding[axis]
    places = first + np.arange(layer.kernel[axis]) * layer.dilation[axis]
    inside = (places >= -before) & (places < extent + after)
    return np.asarray(inside.sum(axis=1), np.int32)
