"""What counts as found on canvases of digits: F1 of boxes, mean overlap of masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.runtime.vision.decode import Detection
from edgemnv2.samples.canvases import Canvas

__all__ = ["box_scores", "mask_iou"]

Array = NDArray[Any]
LEAST_IOU = 0.5
CLASSES = 11


def box_scores(
    answers: Sequence[Sequence[Detection]], canvases: Sequence[Canvas]
) -> tuple[float, float, float]:
    """Precision, recall and F1; a digit is found once, by the surest box of its class on it."""
    right = said = there = 0
    for found, canvas in zip(answers, canvases, strict=True):
        free = list(range(len(canvas.classes)))
        said += len(found)
        there += len(free)
        for one in sorted(found, key=lambda x: -x.score):
            box = (one.top, one.left, one.bottom, one.right)
            near = [(_iou(box, canvas.boxes[i]), i) for i in free if canvas.classes[i] == one.index]
            best = max(near, default=(0.0, -1))
            if best[0] >= LEAST_IOU:
                right += 1
                free.remove(best[1])
    precision, recall = right / max(said, 1), right / max(there, 1)
    return precision, recall, 2 * right / max(said + there, 1)


def _iou(a: Sequence[float], b: Array) -> float:
    high = min(a[2], b[2]) - max(a[0], b[0])
    wide = min(a[3], b[3]) - max(a[1], b[1])
    if high <= 0 or wide <= 0:
        return 0.0
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return float(high * wide / (areas - high * wide))


def mask_iou(masks: Sequence[Array], canvases: Sequence[Canvas]) -> tuple[float, float]:
    """Mean intersection over union of all classes, and that of masks without a digit."""
    truth = np.stack([canvas.mask for canvas in canvases])
    found = np.stack(masks)
    return _mean_iou(found, truth), _mean_iou(np.zeros_like(truth), truth)


def _mean_iou(found: Array, truth: Array) -> float:
    shares = []
    for index in range(CLASSES):
        union = np.count_nonzero((found == index) | (truth == index))
        both = np.count_nonzero((found == index) & (truth == index))
        if union:
            shares.append(both / union)
    return float(np.mean(shares))
