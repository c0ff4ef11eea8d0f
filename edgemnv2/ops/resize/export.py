"""Resizing in other engines' files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.export import OnnxWriter, TfliteWriter, no_form
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.resize.layer import Resize
from edgemnv2.ops.resize.tables import (
    NEAREST_MODES,
    TRANSFORMATIONS,
    onnx_linear,
    onnx_nearest,
    onnx_positions,
    tflite_fixed_linear,
    tflite_linear,
    tflite_nearest,
)

__all__ = ["onnx", "tflite"]


Array = NDArray[Any]
CLOSE = 1e-6
"""Weights that differ by less are the same: positions come out of float32 in several ways."""
ROUNDED = 1 / 64
"""How far int8 weights may be from real ones, for 1024ths that add up over a map."""


def onnx(layer: Resize, to: OnnxWriter) -> str:
    """Resize, by the words that give the layer's tables."""
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    sizes = np.array([1, out.channels, out.height, out.width], np.int64)
    names = [to.real(layer.inputs[0]), "", "", to.constant(f"{layer.name}.sizes", sizes)]
    for words in () if layer.rounding == "zero" else _words(layer.is_linear):
        if _says(layer, source, out, words):
            return to.node("Resize", names, **words)
    raise no_form(to.graph, layer, "ONNX")


def tflite(layer: Resize, to: TfliteWriter) -> None:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR, by the options that give the layer's tables."""
    source, out = to.graph.tensor_in(layer), to.graph.tensor_out(layer)
    kind = "RESIZE_BILINEAR" if layer.is_linear else "RESIZE_NEAREST_NEIGHBOR"
    form = "ResizeBilinearOptions" if layer.is_linear else "ResizeNearestNeighborOptions"
    size = to.constant(f"{layer.name}.size", np.array([out.height, out.width], np.int32))
    for align, half in (
        () if layer.rounding == "zero" else ((False, True), (True, False), (False, False))
    ):
        if _has_tables_of(layer, source, out, align=align, half=half):
            inputs = [to.signed(layer.inputs[0]), size]
            options = {"AlignCorners": align, "HalfPixelCenters": half}
            to.operator(kind, inputs, to.result(layer.output), form, **options)
            return
    raise no_form(to.graph, layer, "TFLite")


def _has_tables_of(layer: Resize, source: Tensor, out: Tensor, *, align: bool, half: bool) -> bool:
    """Whether TFLite's options mean the layer's tables; on int8 its weights are 1024ths."""
    linear = tflite_linear if source.dtype == "float32" else tflite_fixed_linear
    for size, made, table, weights in _axes(layer, source, out):
        if weights is None:
            if not np.array_equal(tflite_nearest(size, made, align=align, half=half), table):
                return False
        else:
            found = _matrix(size, *linear(size, made, align=align, half=half))
            near = CLOSE * max(size, made) if source.dtype == "float32" else ROUNDED
            if np.abs(found - _matrix(size, table, weights)).max() > near:
                return False
    return True


def _axes(
    layer: Resize, source: Tensor, out: Tensor
) -> tuple[tuple[int, int, Array, Array | None], ...]:
    """Of height and width: elements before and behind, positions, weights."""
    return (
        (source.height, out.height, layer.rows, layer.row_weights),
        (source.width, out.width, layer.columns, layer.column_weights),
    )


def _words(linear: bool) -> Iterator[dict[str, str]]:
    for transformation in TRANSFORMATIONS:
        for nearest in ("floor",) if linear else NEAREST_MODES[:-1]:
            mode = {"mode": "linear"} if linear else {"mode": "nearest", "nearest_mode": nearest}
            yield {"coordinate_transformation_mode": transformation, **mode}


def _says(layer: Resize, source: Tensor, out: Tensor, words: dict[str, str]) -> bool:
    """Whether `words` give the layer's tables."""
    for size, made, table, weights in _axes(layer, source, out):
        scale = float(np.float32(made) / np.float32(size))
        places = onnx_positions(size, made, scale, words["coordinate_transformation_mode"])
        if weights is None:
            found = onnx_nearest(size, places, words["nearest_mode"], smaller=scale < 1)
            if not np.array_equal(found, table):
                return False
        else:
            found = _matrix(size, *onnx_linear(size, places))
            if np.abs(found - _matrix(size, table, weights)).max() > CLOSE * max(size, made):
                return False
    return True


def _matrix(size: int, table: Array, weights: Array) -> Array:
    """What each output position takes of each input position, float64 `[out, size]`."""
    matrix = np.zeros((len(table), size))
    share = weights.astype(np.float64)
    if weights.dtype == np.int32:
        share /= share.sum(axis=1, keepdims=True)
    for tap in range(table.shape[1]):
        np.add.at(matrix, (np.arange(len(table)), table[:, tap]), share[:, tap])
    return matrix
