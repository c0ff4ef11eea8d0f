"""Import rules of TFLite: resizing."""

from __future__ import annotations

from typing import Any

from edgemnv2.ops.resize.tables import tflite_fixed_linear, tflite_linear, tflite_nearest
from edgemnv2.ops.source import FlowBuilder, Refusal, Rule, SourceNode

__all__ = ["RULES"]


def _sizes(node: SourceNode) -> tuple[int, int, int, int]:
    source = node.input(0)
    if len(source.shape) != 4:
        raise Refusal(
            f"input of shape {list(source.shape)}",
            "convert the model for single images",
            "Input is one image",
        )
    height, width = node.ints(1, "a size")
    return source.shape[1], height, source.shape[2], width


def resize_bilinear(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image, the size is constant."""
    height, rows, width, columns = _sizes(node)
    how = {"align": bool(node.get("align_corners")), "half": bool(node.get("half_pixel_centers"))}
    table = tflite_fixed_linear if node.input(0).dtype == "int8" else tflite_linear
    down, across = table(height, rows, **how), table(width, columns, **how)
    attrs: dict[str, Any] = {"layout": "NHWC", "rows": down[0], "columns": across[0]}
    attrs |= {"row_weights": down[1], "column_weights": across[1]}
    flow.move("resize", [flow.stored(node.input(0))], node.output, attrs)


def resize_nearest(node: SourceNode, flow: FlowBuilder) -> None:
    """Input is one image, the size is constant."""
    height, rows, width, columns = _sizes(node)
    how = {"align": bool(node.get("align_corners")), "half": bool(node.get("half_pixel_centers"))}
    attrs = {
        "layout": "NHWC",
        "rows": tflite_nearest(height, rows, **how),
        "columns": tflite_nearest(width, columns, **how),
    }
    flow.move("resize", [flow.stored(node.input(0))], node.output, attrs)


RULES: dict[str, Rule] = {
    "RESIZE_BILINEAR": resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": resize_nearest,
}
