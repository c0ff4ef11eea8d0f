"""Why the quantiser leaves detections in floats."""

from __future__ import annotations

from edgemnv2.ops.detection_postprocess.layer import DetectionPostprocess

__all__ = ["stays_float"]


def stays_float(layer: DetectionPostprocess) -> str:
    """The reason."""
    del layer
    return "boxes are decoded and compared in floats, and told as such"
