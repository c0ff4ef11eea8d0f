"""Detections: from the source's terms to the layer."""

from __future__ import annotations

from dataclasses import replace

from edgemnv2.ops.detection_postprocess.layer import FIELDS, DetectionPostprocess
from edgemnv2.ops.flow import Node
from edgemnv2.ops.lowering import Lowering
from edgemnv2.ops.views import Views

__all__ = ["NODES", "READS_STORED", "arrange", "lower"]

NODES = ("detection_postprocess",)
READS_STORED = True


def arrange(node: Node, views: Views) -> None:
    """Operands as the file orders their elements, on whatever map."""
    inputs = tuple(views.plain(views.view(node, index)).name for index in range(len(node.inputs)))
    _, count, _ = views.shape(node.output)
    views.emit(replace(node, inputs=inputs), (1, count, FIELDS), (0, 1, 2))


def lower(node: Node, to: Lowering) -> None:
    """Integers that only this operator wants as floats are read as they are stored."""
    name = to.declare(node.output)
    inputs = tuple(to.resolve(to.dequantized(x) or x) for x in node.tensors)
    to.add(DetectionPostprocess(name, inputs, name, **node.attrs))
