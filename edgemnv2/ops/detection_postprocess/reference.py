"""Detections in NumPy, in the order of LiteRT's kernel: all is widened, decoded and sorted.

Source: LiteRT `tflite/kernels/detection_postprocess.cc`, one thread. Where scores are equal, the
order is that of its stable sort and merge; where it sorts partly (the classes of a box), it is that
of the C++ library's heap (`partial_order`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.ops.detection_postprocess.layer import (
    CLASS,
    COUNT,
    FIELDS,
    SCORE,
    DetectionPostprocess,
)
from edgemnv2.ops.graph import Graph, Layer, Tensor

__all__ = ["partial_order", "run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, 1, D, 7]` of `layer`."""
    assert isinstance(layer, DetectionPostprocess)
    boxes = _real(inputs[0], graph.tensor_in(layer))
    scores = _real(inputs[1], graph.tensor_in(layer, 1))
    each = [
        _detections(layer, _decoded(layer, box), score.reshape(layer.boxes, -1))
        for box, score in zip(boxes, scores, strict=True)
    ]
    return np.stack(each)[:, np.newaxis]


def _real(x: Array, tensor: Tensor) -> Array:
    if tensor.quant is None:
        return x
    steps = x.astype(np.int32) - tensor.quant.zero_point
    return steps.astype(np.float32) * np.float32(tensor.quant.scale)


def _decoded(layer: DetectionPostprocess, encodings: Array) -> Array:
    """float32 `[N, 4]`: ymin, xmin, ymax, xmax; in float64 until the ends."""
    encoded = encodings.reshape(layer.boxes, -1)[:, :4].astype(np.float64)
    encoded = encoded / np.array(layer.scales, np.float32).astype(np.float64)
    anchors = layer.anchors.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        centre = (encoded[:, :2] * anchors[:, 2:] + anchors[:, :2]).astype(np.float32)
        half = (0.5 * np.exp(encoded[:, 2:]) * anchors[:, 2:]).astype(np.float32)
        return np.concatenate([centre - half, centre + half], axis=1)


def _overlap(box: Array, others: Array) -> Array:
    """Intersection over union of `box` `[4]` with `others` `[N, 4]`, float32."""
    size, sizes = box[2:] - box[:2], others[:, 2:] - others[:, :2]
    area, areas = size[0] * size[1], sizes[:, 0] * sizes[:, 1]
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(shared, np.float32(0.0))
    both = shared[:, 0] * shared[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = both / (area + areas - both)
    return np.where((areas > 0) & (area > 0), ratio, np.float32(0.0))


def _suppressed(layer: DetectionPostprocess, boxes: Array, scores: Array, most: int) -> list[int]:
    """Boxes that are kept, best first, `most` at most; `scores` `[N]`."""
    passed = np.flatnonzero(scores >= np.float32(layer.score_threshold))
    waiting = passed[np.argsort(-scores[passed], kind="stable")]
    kept: list[int] = []
    while waiting.size and len(kept) < most:
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        far = ~(_overlap(boxes[best], boxes[waiting]) > np.float32(layer.iou_threshold))
        waiting = waiting[far]
    return kept


def _detections(layer: DetectionPostprocess, boxes: Array, scores: Array) -> Array:
    """float32 `[D, 7]` of one image; `scores` `[N, C]`, with the background where there is one."""
    scores = scores[:, scores.shape[1] - layer.classes :]
    out = np.zeros((layer.detections * layer.classes_per_detection, FIELDS), np.float32)
    find = _of_each_class if layer.per_class else _of_best_classes
    count, found = find(layer, boxes, scores)
    for place, box, number in found:
        out[place, :4] = boxes[box]
        out[place, CLASS], out[place, SCORE] = number, scores[box, number]
    out[:, COUNT] = count
    return out


Found = tuple[int, list[tuple[int, int, int]]]
"""How many detections, and for each its place, box and class."""


def _of_best_classes(layer: DetectionPostprocess, boxes: Array, scores: Array) -> Found:
    kept = _suppressed(layer, boxes, scores.max(axis=1), layer.detections)
    found = [
        (place * layer.classes_per_detection + rank, box, number)
        for place, box in enumerate(kept)
        for rank, number in enumerate(partial_order(scores[box].tolist(), layer.told_classes))
    ]
    return len(kept), found


def _of_each_class(layer: DetectionPostprocess, boxes: Array, scores: Array) -> Found:
    best: list[tuple[float, int, int]] = []
    for number in range(layer.classes):
        column = scores[:, number]
        kept = _suppressed(layer, boxes, column, layer.detections_per_class)
        best += [(float(column[box]), box, number) for box in kept]
        # Of equal ones, those of the class before come first.
        best = sorted(best, key=lambda one: -one[0])[: layer.detections]
    return len(best), [(place, box, number) for place, (_, box, number) in enumerate(best)]


def partial_order(values: Sequence[float], count: int) -> list[int]:
    """The `count` largest of `values` by their number, in the order of libstdc++'s partial_sort.

    Equal ones come as its heap leaves them, which is neither stable nor by chance.
    """
    heap = list(range(len(values)))

    def sink(hole: int, size: int, item: int) -> None:
        """Put `item` into the heap `heap[:size]`, whose top is the least, where `hole` is free."""
        top = hole
        while 2 * hole + 2 < size:
            child = 2 * hole + 2
            if values[heap[child]] > values[heap[child - 1]]:
                child -= 1
            heap[hole] = heap[child]
            hole = child
        if 2 * hole + 2 == size:
            heap[hole] = heap[size - 1]
            hole = size - 1
        while hole > top and values[heap[(hole - 1) // 2]] > values[item]:
            heap[hole] = heap[(hole - 1) // 2]
            hole = (hole - 1) // 2
        heap[hole] = item

    for place in range(count // 2 - 1, -1, -1):
        sink(place, count, heap[place])
    for place in range(count, len(heap)):
        if count and values[heap[place]] > values[heap[0]]:
            item, heap[place] = heap[place], heap[0]
            sink(0, count, item)
    for last in range(count - 1, 0, -1):
        item, heap[last] = heap[last], heap[0]
        sink(0, last, item)
    return heap[:count]
