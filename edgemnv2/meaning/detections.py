"""Outputs of a network that makes the detections itself: which of them is what.

Files have the four outputs in any order: TensorFlow 1 by the operator's own, TensorFlow 2 by the
names of a signature, which put the scores first. So the operator behind each output tells; where
there is none, their shapes do, in the usual order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgemnv2.ops.detection_postprocess.layer import BOX, CLASS, COUNT, SCORE, DetectionPostprocess
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.select.layer import Select

__all__ = ["PASSING", "DetectionOutputs", "detection_outputs", "last_maker"]

PASSING = ("cast", "copy", "dequantize", "quantize", "rescale", "reshape", "transpose")
"""Operators behind which an output means what it meant before."""
PARTS = {"boxes": BOX, "classes": (CLASS,), "scores": (SCORE,), "count": (COUNT,)}


@dataclass(frozen=True)
class DetectionOutputs:
    """The source's names by what they are, and the number of classes; 0 where nothing tells."""

    roles: dict[str, tuple[str, ...]]
    classes: int
    classes_a_box: tuple[int, int] = (1, 1)
    """As in `Task`."""


def detection_outputs(graph: Graph) -> DetectionOutputs | None:
    """The boxes, classes, scores and count among the four outputs; None where they are others."""
    specs = graph.output_specs
    if {len(specs), len(graph.outputs)} != {len(PARTS)}:
        return None
    if any(spec.dtype != "float32" for spec in specs):
        return None
    told = [_part(graph, name) for name in graph.outputs]
    makers = {id(layer): layer for layer, _ in told if layer is not None}
    by_role = {role: spec.name for (_, role), spec in zip(told, specs, strict=True)}
    if len(makers) == 1 and set(by_role) == set(PARTS):
        (maker,) = makers.values()
        rows = (1, 1) if maker.per_class else (maker.told_classes, maker.classes_per_detection)
        return DetectionOutputs({role: (by_role[role],) for role in PARTS}, maker.classes, rows)
    if not _usual([spec.sample_shape for spec in specs]):
        return None
    names = zip(PARTS, (spec.name for spec in specs), strict=True)
    return DetectionOutputs({role: (name,) for role, name in names}, 0)


def last_maker(graph: Graph, name: str, passing: Sequence[str] = PASSING) -> Layer | None:
    """The layer that makes what the tensor `name` says, not one that only passes it on."""
    makers = {layer.output: layer for layer in graph.layers}
    while name in makers and makers[name].op in passing:
        name = makers[name].inputs[0]
    return makers.get(name)


def _part(graph: Graph, name: str) -> tuple[DetectionPostprocess | None, str]:
    """The operator that the tensor `name` is a part of, and what of each detection it holds."""
    taken = last_maker(graph, name)
    if not isinstance(taken, Select):
        return None, ""
    maker = _operator(graph, taken.inputs[0])
    roles = (role for role, fields in PARTS.items() if fields == taken.channels)
    return maker, next(roles, "") if maker is not None else ""


def _operator(graph: Graph, name: str) -> DetectionPostprocess | None:
    maker = last_maker(graph, name)
    return maker if isinstance(maker, DetectionPostprocess) else None


def _usual(shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether they are those of boxes, classes, scores and a count."""
    boxes, classes, scores, count = shapes
    if len(boxes) != 2 or boxes[1] != 4 or classes != boxes[:1] or scores != boxes[:1]:
        return False
    return math.prod(count) == 1
