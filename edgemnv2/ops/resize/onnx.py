"""Import rules of ONNX: resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.flow import Constant
from edgemnv2.ops.onnx_terms import image
from edgemnv2.ops.resize.matrices import antialiased_matrix, cubic_matrix
from edgemnv2.ops.resize.tables import (
    NEAREST_MODES,
    TRANSFORMATIONS,
    onnx_crop,
    onnx_linear,
    onnx_nearest,
    onnx_positions,
)
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

FIRST_WITH_TRANSFORMATIONS = 11
CROP = "tf_crop_and_resize"


def resize(node: SourceNode, flow: FlowBuilder) -> None:
    """Over height and width, by constant sizes, scales, boxes (tf_crop_and_resize)."""
    old = int(node.get("opset", FIRST_WITH_TRANSFORMATIONS)) < FIRST_WITH_TRANSFORMATIONS
    transformation = str(
        "asymmetric" if old else node.get("coordinate_transformation_mode", "half_pixel")
    )
    nearest = str("simple" if old else node.get("nearest_mode", "round_prefer_floor"))
    scales = _scales(node, 1 if old else 2, None if old else 3)
    _resized(node, flow, scales, transformation, nearest)


def upsample(node: SourceNode, flow: FlowBuilder) -> None:
    """Mode nearest or linear over height and width, by constant scales."""
    given = node.get("scales")
    scales = _scales(node, 1, None) if given is None else [float(x) for x in given]
    _resized(node, flow, scales, "asymmetric", "simple")


def _scales(node: SourceNode, scales_at: int, sizes_at: int | None) -> list[float]:
    """One factor for each axis."""
    source = image(node)
    axes = [int(axis) % 4 for axis in node.get("axes", range(4))]
    found = [1.0] * 4
    sizes = None if sizes_at is None else node.optional(sizes_at)
    if sizes is not None and sizes_at is not None and sizes.shape != (0,):
        pairs = list(zip(axes, node.ints(sizes_at, "sizes"), strict=True))
        ratios = [float(np.float32(size) / np.float32(source.shape[i])) for i, size in pairs]
        policy = str(node.get("keep_aspect_ratio_policy", "stretch"))
        if policy != "stretch":
            # One factor for all of these axes.
            ratios = [(min if policy == "not_larger" else max)(ratios)] * len(ratios)
        for axis, ratio in zip(axes, ratios, strict=True):
            found[axis] = ratio
        return found
    values = node.value(scales_at, "scales").reshape(-1)
    for axis, value in zip(axes, values, strict=True):
        found[axis] = float(value)
    return found


def _resized(
    node: SourceNode, flow: FlowBuilder, scales: list[float], transformation: str, nearest: str
) -> None:
    source, out = image(node), node.output.shape
    mode = str(node.get("mode", "nearest"))
    cropped = transformation == CROP
    wrong = {
        f"mode {mode!r}": mode not in ("nearest", "linear", "bilinear", "cubic"),
        f"coordinate transformation {transformation!r}": transformation not in TRANSFORMATIONS
        and not cropped,
        f"nearest mode {nearest!r}": nearest not in NEAREST_MODES,
        f"scales {scales}": out[:2] != source.shape[:2],
    }
    for fact, is_so in wrong.items():
        if is_so:
            raise Refusal(fact, "export the model with nearest or bilinear interpolation")
    box = node.value(1, "a box").reshape(-1) if cropped else np.zeros(0)
    places = []
    for axis in (2, 3):
        size, made = source.shape[axis], out[axis]
        if cropped:
            begin, end = _ends(node, box, axis)
            places.append(onnx_crop(size, made, begin, end))
        else:
            places.append(onnx_positions(size, made, scales[axis], transformation))
    smooth = mode != "nearest" and bool(node.get("antialias", 0)) and min(scales[2:]) < 1
    fresh = flow.fresh(node.output, node.output.dtype) if cropped else flow.declare(node.output)
    result: str | Constant = fresh
    stored = flow.stored(source)
    if smooth or mode == "cubic":
        name = _by_matrices(node, flow, stored, places, scales, smooth=smooth)
        if not cropped:
            flow.alias(node.output, name)
            return
        result = name
    else:
        truncates = node.output.dtype in ("int8", "uint8") and mode != "nearest"
        attrs: dict[str, Any] = {"layout": "NCHW", **({"rounding": "zero"} if truncates else {})}
        for axis, name, weights in ((2, "rows", "row_weights"), (3, "columns", "column_weights")):
            size, mine = source.shape[axis], places[axis - 2]
            if mode == "nearest":
                attrs[name] = onnx_nearest(size, mine, nearest, smaller=scales[axis] < 1)
            else:
                attrs[name], attrs[weights] = onnx_linear(size, mine, halves=truncates)
        flow.add("resize", [stored], fresh, attrs)
    if cropped:
        _with_outside(node, flow, result, places)


def _ends(node: SourceNode, box: Any, axis: int) -> tuple[float, float]:
    """Where the box of tf_crop_and_resize begins and ends along an axis, in shares of the map."""
    axes = [int(x) % 4 for x in node.get("axes", range(4))]
    if box.size != 2 * len(axes) or axis not in axes:
        raise Refusal(f"a box of {box.size} numbers", "export the model again")
    place = axes.index(axis)
    return float(box[place]), float(box[place + len(axes)])


def _with_outside(
    node: SourceNode, flow: FlowBuilder, resized: str | Constant, places: list[Any]
) -> None:
    """What lies outside of the map is a value of its own."""
    rows, columns = (
        (mine >= 0) & (mine <= size - 1)
        for mine, size in zip(places, node.input(0).shape[2:], strict=True)
    )
    inside = (rows[:, np.newaxis] & columns[np.newaxis]).astype(np.float32)
    value = Constant(np.array(node.get("extrapolation_value", 0.0), np.float32))
    flow.move("where", [Constant(inside), resized, value], node.output)


def _by_matrices(
    node: SourceNode,
    flow: FlowBuilder,
    x: str | Constant,
    places: list[Any],
    scales: list[float],
    *,
    smooth: bool,
) -> str | Constant:
    """Height and width, one after the other, as products with constant matrices."""
    source, mode = node.input(0), str(node.get("mode"))
    a, exclude = float(node.get("cubic_coeff_a", -0.75)), bool(node.get("exclude_outside", 0))
    shape, name = list(source.shape), x
    for axis, mine in zip((2, 3), places, strict=True):
        size = shape[axis]
        if smooth and scales[axis] < 1:
            matrix = antialiased_matrix(size, mine, scales[axis], mode, a, exclude=exclude)
        elif mode == "cubic":
            matrix = cubic_matrix(size, mine, a, exclude=exclude)
        else:
            table, weights = onnx_linear(size, mine)
            matrix = np.zeros((len(mine), size), np.float32)
            np.add.at(matrix, (np.arange(len(mine))[:, np.newaxis], table), weights)
        if matrix.shape == (size, size) and np.array_equal(matrix, np.eye(size)):
            continue
        axes = (0, 1, 3, 2)
        turned = [shape[i] for i in axes] if axis == 2 else shape
        if axis == 2:
            name = flow.add("permute", [name], flow.fresh(source, shape=turned), {"axes": axes})
        shape[axis] = len(mine)
        product = [*turned[:3], len(mine)]
        constant = Constant(np.ascontiguousarray(matrix.T))
        name = flow.add("matmul", [name, constant], flow.fresh(source, shape=product))
        if axis == 2:
            name = flow.add("permute", [name], flow.fresh(source, shape=shape), {"axes": axes})
    return name


RULES: dict[str, Rule] = {"Resize": resize, "Upsample": upsample}
