"""Import rules of ONNX: resizing."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgemnv2.ops.onnx_terms import image
from edgemnv2.ops.resize.tables import (
    NEAREST_MODES,
    TRANSFORMATIONS,
    onnx_linear,
    onnx_nearest,
    onnx_positions,
)
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]

FIRST_WITH_TRANSFORMATIONS = 11


def resize(node: SourceNode, flow: FlowBuilder) -> None:
    """Mode nearest or linear over height and width, by constant sizes or scales."""
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
    antialias = bool(node.get("antialias", 0)) and min(scales) < 1
    wrong = {
        f"mode {mode!r}": mode not in ("nearest", "linear", "bilinear"),
        f"coordinate transformation {transformation!r}": transformation not in TRANSFORMATIONS,
        f"nearest mode {nearest!r}": nearest not in NEAREST_MODES,
        "antialias": antialias,
        f"scales {scales}": out[:2] != source.shape[:2],
    }
    for fact, is_so in wrong.items():
        if is_so:
            raise Refusal(fact, "export the model with nearest or bilinear interpolation")
    attrs: dict[str, Any] = {"layout": "NCHW"}
    for axis, name, weights in ((2, "rows", "row_weights"), (3, "columns", "column_weights")):
        size, made, scale = source.shape[axis], out[axis], scales[axis]
        places = onnx_positions(size, made, scale, transformation)
        if mode == "nearest":
            attrs[name] = onnx_nearest(size, places, nearest, smaller=scale < 1)
        else:
            attrs[name], attrs[weights] = onnx_linear(size, places)
    flow.move("resize", [flow.stored(source)], node.output, attrs)


RULES: dict[str, Rule] = {"Resize": resize, "Upsample": upsample}
