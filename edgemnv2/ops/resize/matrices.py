"""Resizing along one axis as a matrix: cubic interpolation, and antialiasing.

Each output position is a sum of input positions with fixed weights, `[out, size]`. Source:
onnxruntime `core/providers/cpu/tensor/upsample.cc` and `upsample_antialias.h`; the cubic filter and
the antialiased one are those of the ONNX standard (Resize).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["antialiased_matrix", "cubic_matrix"]

Array = NDArray[Any]


def _cubic(distance: Array, a: float) -> Array:
    """Keys's kernel at distances of either sign."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.asarray(np.where(x <= 1, near, np.where(x < 2, far, 0.0)))


def _triangle(distance: Array, a: float) -> Array:
    del a
    return np.asarray(np.maximum(1 - np.abs(distance), 0.0))


def cubic_matrix(size: int, places: Array, a: float, *, exclude: bool) -> Array:
    """float32 `[out, size]`; positions outside are the edge's, or left out with `exclude`."""
    place = places.astype(np.float64)
    first = np.floor(place).astype(np.int64)
    matrix = np.zeros((len(places), size))
    for tap in range(-1, 3):
        index = first + tap
        weight = _cubic(place - index, a)
        if exclude:
            weight = np.where((index >= 0) & (index < size), weight, 0.0)
        np.add.at(matrix, (np.arange(len(places)), np.clip(index, 0, size - 1)), weight)
    if exclude:
        matrix /= matrix.sum(axis=1, keepdims=True)
    return matrix.astype(np.float32)


def antialiased_matrix(
    size: int, places: Array, scale: float, mode: str, a: float, *, exclude: bool
) -> Array:
    """float32 `[out, size]`: the filter as wide as an output pixel, where the map gets smaller.

    Positions outside are the edge's, or left out with `exclude`.
    """
    kernel, support = (_cubic, 2.0) if mode == "cubic" else (_triangle, 1.0)
    narrow = min(float(scale), 1.0)
    reach = support / narrow
    matrix = np.zeros((len(places), size))
    for row, place in enumerate(places.astype(np.float64)):
        centre = place + 0.5
        first, last = (int(np.floor(centre + end + 0.5)) for end in (-reach, reach))
        index = np.arange(first, last)
        weight = kernel((index - place) * narrow, a)
        if exclude:
            weight = np.where((index >= 0) & (index < size), weight, 0.0)
        np.add.at(matrix[row], np.clip(index, 0, size - 1), weight)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True), np.float32)
