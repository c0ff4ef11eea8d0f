"""The layer that makes detections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from edgemnv2.ops.graph import Layer

__all__ = ["BOX", "CLASS", "COUNT", "FIELDS", "OPTIONS", "SCORE", "DetectionPostprocess"]

Array = NDArray[Any]
BOX = (0, 1, 2, 3)
CLASS, SCORE, COUNT = 4, 5, 6
FIELDS = 7
"""Channels of the output: ymin, xmin, ymax, xmax, class, score, and the number of detections."""

OPTIONS = (
    "scales",
    "classes",
    "detections",
    "classes_per_detection",
    "detections_per_class",
    "score_threshold",
    "iou_threshold",
    "per_class",
)
"""Fields of the layer that are no tensor, as files have them."""


@dataclass(frozen=True, eq=False)
class DetectionPostprocess(Layer):
    """Boxes are decoded against their anchors, and of those that overlap the best is kept.

    Operands: encodings of N boxes, four numbers or more for each (y, x, height, width, key points,
    which are not looked at), and their scores, one for each class, one more in front where there is
    a background. Both are float32, or integers with a scale, whatever their maps: what counts is
    the order of their elements. The output, float32 `[1, D, 7]`, holds `D = detections *
    classes_per_detection` detections (`FIELDS`); those behind the last are zeros.

    `per_class`: every class has a suppression of its own, of which `detections_per_class` boxes are
    kept at most; else a box takes part once, with its best class, and `classes_per_detection` of
    its classes are told, best first.

    Source: LiteRT `tflite/kernels/detection_postprocess.cc`.
    """

    anchors: Array
    """float32 `[N, 4]`: y, x, height, width."""
    scales: tuple[float, float, float, float]
    """Divisors of y, x, height and width, float32."""
    classes: int
    detections: int
    classes_per_detection: int
    detections_per_class: int
    score_threshold: float
    iou_threshold: float
    per_class: bool

    @property
    def op(self) -> str:
        """Short, as its layer is named after it."""
        return "detections"

    @property
    def names_scratch(self) -> bool:
        """Always: LiteRT's takes more than many networks do."""
        return True

    @property
    def decides(self) -> bool:
        """Always: a box more or less moves all behind it."""
        return True

    @property
    def boxes(self) -> int:
        """N."""
        return len(self.anchors)

    @property
    def told_classes(self) -> int:
        """Classes of a box that are told, where it takes part once."""
        return min(self.classes_per_detection, self.classes)

    @property
    def kept_per_class(self) -> int:
        """Boxes of a class that are kept at most."""
        return min(self.detections_per_class, self.detections, self.boxes)
