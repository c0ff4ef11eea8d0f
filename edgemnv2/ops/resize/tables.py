"""Which positions an output position is made of, as TFLite and onnxruntime compute it.

Everything is float32, in the order in which their kernels compute it: a position that comes out
just below a whole number is not the one above. Sources: TFLite `reference/resize_bilinear.h`,
`resize_nearest_neighbor.h`; onnxruntime `core/providers/cpu/tensor/upsample*`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NEAREST_MODES",
    "TRANSFORMATIONS",
    "onnx_crop",
    "onnx_linear",
    "onnx_nearest",
    "onnx_positions",
    "tflite_fixed_linear",
    "tflite_linear",
    "tflite_nearest",
]

Array = NDArray[Any]
ONE, HALF = np.float32(1.0), np.float32(0.5)
TIE_TOLERANCE = 1e-6
"""Positions so near to a half are one for onnxruntime."""
FIXED = 1 << 10
"""What a weight of one is in TFLite's int8 kernel."""
TRANSFORMATIONS = (
    "align_corners",
    "asymmetric",
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "tf_half_pixel_for_nn",
)
NEAREST_MODES = ("ceil", "floor", "round_prefer_ceil", "round_prefer_floor", "simple")


def tflite_nearest(size: int, out: int, *, align: bool, half: bool) -> Array:
    """int32 `[out, 1]`."""
    aligned = align and out > 1
    scale = np.float32(size - 1) / np.float32(out - 1) if aligned else _ratio(size, out)
    place = (np.arange(out, dtype=np.float32) + (HALF if half else np.float32(0))) * scale
    # TfLiteRound: halves away from zero; positions are not negative.
    found = np.floor(place + HALF) if align else np.floor(place)
    return _table(np.clip(found.astype(np.int64), 0, size - 1))


def tflite_linear(size: int, out: int, *, align: bool, half: bool) -> tuple[Array, Array]:
    """int32 and float32 `[out, 2]`."""
    aligned = align and out > 1
    scale = np.float32(size - 1) / np.float32(out - 1) if aligned else _ratio(size, out)
    index = np.arange(out, dtype=np.float32)
    place = (index + HALF) * scale - HALF if half else index * scale
    low = np.maximum(np.floor(place).astype(np.int64), 0)
    high = np.minimum(np.ceil(place).astype(np.int64), size - 1)
    low = np.minimum(low, size - 1)
    share = place - low.astype(np.float32)
    return _table(low, high), np.stack([ONE - share, share], axis=1).astype(np.float32)


def tflite_fixed_linear(size: int, out: int, *, align: bool, half: bool) -> tuple[Array, Array]:
    """int32 `[out, 2]` twice, weights in 1024ths."""
    scale = (FIXED * size + out // 2) // out
    if align and out > 1:
        scale = (FIXED * (size - 1) + (out - 1) // 2) // (out - 1)
    place = np.arange(out, dtype=np.int64) * scale
    if half:
        place += scale // 2 - FIXED // 2
    # C's division; what is negative becomes 0.
    low = np.minimum(np.maximum(place, 0) // FIXED, size - 1)
    high = np.minimum(np.maximum(place + FIXED - 1, 0) // FIXED, size - 1)
    share = place - FIXED * low
    return _table(low, high), np.stack([FIXED - share, share], axis=1).astype(np.int32)


def onnx_positions(size: int, out: int, scale: float, transformation: str) -> Array:
    """float32 `[out]`: where in the map each output position lies."""
    index, factor = np.arange(out, dtype=np.float32), np.float32(scale)
    if factor == ONE:
        return index
    if transformation == "asymmetric":
        return index / factor
    if transformation == "align_corners":
        if out == 1:
            return np.zeros(1, np.float32)
        return index * np.float32(size - 1) / np.float32(out - 1)
    if transformation == "tf_half_pixel_for_nn":
        return (index + HALF) / factor
    if transformation == "pytorch_half_pixel" and out == 1:
        return np.zeros(1, np.float32)
    place = (index + HALF) / factor
    if transformation == "half_pixel_symmetric":
        adjustment = np.float32(out) / (factor * np.float32(size))
        place = np.float32(size) / np.float32(2) * (ONE - adjustment) + place
    return np.asarray(place - HALF, np.float32)


def onnx_crop(size: int, out: int, begin: float, end: float) -> Array:
    """float32 `[out]`: positions of a box that begins and ends at shares of the map."""
    first, last = np.float32(begin), np.float32(end)
    whole = np.float32(size - 1)
    if out == size:
        # onnxruntime leaves an axis of the same size as it is.
        return np.arange(out, dtype=np.float32)
    if out == 1:
        return np.array([np.float32(0.5) * (first + last) * whole], np.float32)
    step = (last - first) * whole / np.float32(out - 1)
    return np.asarray(first * whole + np.arange(out, dtype=np.float32) * step, np.float32)


def onnx_nearest(size: int, places: Array, mode: str, *, smaller: bool) -> Array:
    """int32 `[out, 1]`; mode "simple" (before opset 11) rounds up where the map gets `smaller`."""
    if mode == "simple":
        mode = "ceil" if smaller else "floor"
    if mode == "floor":
        found = np.floor(places)
    elif mode == "ceil":
        found = np.ceil(places)
    else:
        below = np.floor(places)
        rest = places - below
        tie = np.abs(rest - HALF) < TIE_TOLERANCE
        up = mode == "round_prefer_ceil"
        found = below + np.where(tie, up, rest > HALF)
    return _table(np.clip(found.astype(np.int64), 0, size - 1))


def onnx_linear(size: int, places: Array, *, halves: bool = False) -> tuple[Array, Array]:
    """int32 and float32 `[out, 2]`; `halves`: of the last position twice, as onnxruntime has it."""
    inside = np.clip(places, np.float32(0), np.float32(size - 1))
    low = np.minimum(inside.astype(np.int64), size - 1)
    high = np.minimum(low + 1, size - 1)
    share = inside - low.astype(np.float32)
    weights = np.stack([ONE - share, share], axis=1).astype(np.float32)
    if halves:
        weights[low == high] = np.float32(0.5)
    return _table(low, high), weights


def _ratio(size: int, out: int) -> np.float32:
    return np.float32(np.float32(size) / np.float32(out))


def _table(*columns: Array) -> Array:
    return np.ascontiguousarray(np.stack(columns, axis=1), np.int32)
