"""What must hold of a layer that makes detections."""

from __future__ import annotations

from math import prod

from edgemnv2.ops.checks import expect
from edgemnv2.ops.detection_postprocess.layer import FIELDS, DetectionPostprocess
from edgemnv2.ops.graph import Graph, Layer

__all__ = ["check"]

MOST_BOXES = 1 << 23
"""That the kernel can number beside a score of 8 bits."""


def check(graph: Graph, layer: Layer) -> None:
    """ValueError where `layer` is not sound."""
    assert isinstance(layer, DetectionPostprocess)
    boxes, scores = graph.tensor_in(layer), graph.tensor_in(layer, 1)
    y, count = graph.tensor_out(layer), layer.boxes
    expect(layer.anchors.shape == (count, 4), layer, "anchors are not four numbers each")
    expect(0 < count < MOST_BOXES, layer, f"{count} boxes")
    each, rest = divmod(prod(boxes.shape), count)
    expect(rest == 0 and each >= len(layer.scales), layer, "encodings of another shape")
    background = prod(scores.shape) - count * layer.classes
    expect(background in (0, count), layer, "scores of another shape")
    for tensor in (boxes, scores):
        expect(tensor.dtype in ("float32", "int8", "uint8"), layer, f"operand of {tensor.dtype}")
    wanted = (1, layer.detections * layer.classes_per_detection, FIELDS)
    expect((y.shape, y.dtype) == (wanted, "float32"), layer, f"output {y.shape} of {y.dtype}")
