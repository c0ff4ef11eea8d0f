"""Outputs as answers: classes, boxes, centroids, a map of classes, an embedding; in NumPy.

The twin of the decoder in C that an artefact has: the same candidates in the same order. `task` and
`tensors` are the manifest's `task` and `outputs`; `outputs` are arrays `[1, H, W, C]` as stored, by
name. Boxes are shares of the network's input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "CAPACITY",
    "IOU",
    "Answer",
    "Centroid",
    "Detection",
    "Scored",
    "centroids",
    "decode",
    "embedding",
    "foreground",
    "label",
    "real",
    "similarity",
]

Array = np.ndarray[Any, Any]
Record = Mapping[str, Any]
CAPACITY = 64
"""Candidates that the decoder keeps: the best ones."""
IOU = 0.5
"""Overlap (intersection over union) above which the weaker of two boxes goes."""


@dataclass(frozen=True)
class Scored:
    """A class and its score."""

    index: int
    score: float


@dataclass(frozen=True)
class Detection:
    """A class in a box."""

    top: float
    left: float
    bottom: float
    right: float
    index: int
    score: float


@dataclass(frozen=True)
class Centroid:
    """A class around a point: the middle of the cells that touch, weighted by their scores."""

    y: float
    x: float
    top: float
    left: float
    bottom: float
    right: float
    index: int
    score: float


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network of `kind` says of one picture; what the kind has not is empty."""

    kind: str
    classes: tuple[Scored, ...] = ()
    detections: tuple[Detection, ...] = ()
    centroids: tuple[Centroid, ...] = ()
    mask: Array | None = None
    embedding: Array | None = None


def decode(
    task: Record,
    tensors: Sequence[Record],
    outputs: Mapping[str, Array],
    threshold: float | None = None,
    capacity: int = CAPACITY,
) -> Answer:
    """The answer in the outputs of one inference.

    What scores less than `threshold` (None: the task's own) is left out; `capacity` is the size of
    the list that the decoder in C would be given.
    """
    threshold = float(task["threshold"]) if threshold is None else threshold
    by_name = {x["name"]: x for x in tensors}
    kind, roles = str(task["kind"]), task["roles"]

    def values(role: str, last: int) -> Array:
        """All values of a role, real, in rows of `last`."""
        parts = [real(outputs[name], by_name[name]).reshape(-1, last) for name in roles[role]]
        return np.concatenate(parts)

    if kind == "classifier" and "foreground" in roles:
        chance = foreground(task, by_name, outputs).ravel()
        return Answer(
            kind, classes=_best(np.concatenate([1 - chance, chance]), threshold, capacity)
        )
    if kind == "classifier":
        scores = _activated(values("scores", task["classes"]), task["scores"])[0]
        return Answer(kind, classes=_best(scores, threshold, capacity))
    if kind == "detector" and "count" in roles:
        rows = np.concatenate([values("boxes", 4), values("classes", 1), values("scores", 1)], 1)
        count = int(_whole(values("count", 1)[0, 0], len(rows)))
        found = _taken(task, count, rows)
        return Answer(kind, detections=tuple(x for x in found if x.score >= threshold)[:capacity])
    if kind == "detector":
        scores = _activated(values("scores", task["classes"]), task["scores"])
        codes = values("boxes", 4)
        return Answer(kind, detections=_detections(task, scores, codes, threshold, capacity))
    if kind == "grid":
        (name,) = roles["scores"]
        scores = _activated(real(outputs[name], by_name[name])[0], task["scores"])
        return Answer(kind, centroids=centroids(scores, threshold, capacity))
    if kind == "segmenter":
        return Answer(kind, mask=_mask(task, by_name, outputs, threshold))
    if kind == "embedding":
        return Answer(kind, embedding=embedding(values("embedding", task["classes"])[0]))
    return Answer(kind)


def real(stored: Array, tensor: Record) -> Array:
    """Stored values as float32 real numbers."""
    if tensor.get("scale") is None:
        return np.asarray(stored, np.float32)
    steps = stored.astype(np.float32) - np.float32(tensor["zero_point"])
    return steps * np.float32(tensor["scale"])


def foreground(task: Record, tensors: Mapping[str, Record], outputs: Mapping[str, Array]) -> Array:
    """float32 `[H, W]`, or one alone: how likely the second of two classes is."""
    (name,) = task["roles"]["foreground"]
    size = [x for x in tensors[name]["shape"] if x != 1]
    return _activated(real(outputs[name], tensors[name]), task["scores"]).reshape(size)


def label(task: Record, index: int) -> str:
    """The name of a class, else its number."""
    labels = task["labels"]
    return str(labels[index]) if 0 <= index < len(labels) and labels[index] else str(index)


def similarity(a: Array, b: Array) -> float:
    """The cosine of the angle between two embeddings; 0 where one is zero."""
    return float(np.dot(embedding(a), embedding(b)))


def embedding(values: Array) -> Array:
    """float32 `[N]` of length one; zeros stay."""
    flat = np.asarray(values, np.float32).ravel()
    length = np.sqrt(np.sum(flat * flat, dtype=np.float32))
    return flat if length == 0 else np.asarray(flat / length, np.float32)


def centroids(scores: Array, threshold: float, capacity: int = CAPACITY) -> tuple[Centroid, ...]:
    """The objects in a grid of probabilities `[H, W, C]`, class 0 being nothing.

    A cell is its best class, the lowest among equals. Cells of one class whose boxes touch, if only
    at a corner, become one box, until none touch. Row by row in the order of their first cells; the
    first `capacity` of them, and what then touches one of these.
    """
    height, width, _ = scores.shape
    best = scores.argmax(axis=2)
    # top, left, bottom, right in cells; class, score, sums of weight, y and x.
    found: list[list[float]] = []
    for row in range(height):
        for column in range(width):
            index = int(best[row, column])
            score = float(scores[row, column, index])
            if index == 0 or score < threshold:
                continue
            cell = [row, column, row + 1, column + 1, index, score]
            cell += [score, score * (row + 0.5), score * (column + 0.5)]
            near = next((x for x in found if _touch(x, cell)), None)
            if near is not None:
                _join(near, cell)
            elif len(found) < capacity:
                found.append(cell)
    again = True
    while again:
        again = False
        for i, blob in enumerate(found):
            near = next((x for x in found[i + 1 :] if _touch(blob, x)), None)
            if near is not None:
                _join(blob, near)
                found.remove(near)
                again = True
                break
    return tuple(
        Centroid(
            blob[7] / blob[6] / height,
            blob[8] / blob[6] / width,
            blob[0] / height,
            blob[1] / width,
            blob[2] / height,
            blob[3] / width,
            int(blob[4]),
            blob[5],
        )
        for blob in found
    )


def _touch(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[4] == b[4] and a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]


def _join(a: list[float], b: Sequence[float]) -> None:
    a[0:2] = [min(a[0], b[0]), min(a[1], b[1])]
    a[2:4] = [max(a[2], b[2]), max(a[3], b[3])]
    a[5] = max(a[5], b[5])
    a[6:9] = [a[k] + b[k] for k in (6, 7, 8)]


def _activated(values: Array, kind: str) -> Array:
    """Scores along the last axis as probabilities, float32."""
    if kind == "softmax":
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)
    if kind == "sigmoid":
        # Written so that no power is above one.
        powers = np.exp(-np.abs(values))
        return np.asarray(np.where(values >= 0, 1, powers) / (1 + powers), np.float32)
    return values


def _best(scores: Array, threshold: float, capacity: int) -> tuple[Scored, ...]:
    order = np.argsort(-scores, kind="stable")[:capacity]
    return tuple(Scored(int(i), float(scores[i])) for i in order if float(scores[i]) >= threshold)


def _detections(
    task: Record, scores: Array, codes: Array, threshold: float, capacity: int
) -> tuple[Detection, ...]:
    """Of each anchor the best class; of boxes that overlap the best one, whatever their classes.

    So TFLite's fast non-maximum suppression does it. Only the `capacity` best candidates count.
    """
    first = 1 if task["background"] else 0
    classes = scores[:, first:].argmax(axis=1) + first
    best = scores[np.arange(len(scores)), classes]
    order = [i for i in np.argsort(-best, kind="stable") if best[i] >= threshold][:capacity]
    kept: list[Detection] = []
    anchors = np.asarray(task["anchors"], np.float32)
    scales = np.asarray(task["scales"], np.float32)
    for i in order:
        code, anchor = codes[i] / scales, anchors[i]
        y, x = code[:2] * anchor[2:] + anchor[:2]
        high, wide = np.exp(code[2:]) * anchor[2:] / np.float32(2)
        ends = (y - high, x - wide, y + high, x + wide)
        box = _detection(ends, int(classes[i]), float(best[i]))
        if all(_overlap(box, other) <= IOU for other in kept):
            kept.append(box)
    return tuple(kept)


def _taken(task: Record, count: int, rows: Array) -> list[Detection]:
    """All classes of the `count` boxes that a network decodes itself, best first.

    `rows` `[D, 6]`: box, class, score. TFLite's fast suppression tells several classes of a box in
    rows that follow one another, and counts boxes.
    """
    told, apart = task.get("classes_a_box", (1, 1))
    count = min(count, len(rows) // apart)
    chosen = [rows[box * apart + rank] for box in range(count) for rank in range(told)]
    found = [_detection(row[:4], int(_whole(row[4], 1 << 24)), float(row[5])) for row in chosen]
    return sorted(found, key=lambda x: x.score, reverse=True)


def _whole(values: Any, most: int) -> Array:
    """Counts or classes that a network gives as floats: from 0 to `most`, 0 for no number."""
    return np.asarray(np.trunc(np.nan_to_num(np.clip(values, 0, most))))


def _detection(ends: Any, index: int, score: float) -> Detection:
    top, left, bottom, right = (float(end) for end in ends)
    return Detection(top, left, bottom, right, index, score)


def _overlap(a: Detection, b: Detection) -> float:
    """Intersection over union; 0 where one is empty."""
    high = min(a.bottom, b.bottom) - max(a.top, b.top)
    wide = min(a.right, b.right) - max(a.left, b.left)
    first = (a.bottom - a.top) * (a.right - a.left)
    second = (b.bottom - b.top) * (b.right - b.left)
    if high <= 0 or wide <= 0 or first <= 0 or second <= 0:
        return 0.0
    return high * wide / (first + second - high * wide)


def _mask(
    task: Record,
    tensors: Mapping[str, Record],
    outputs: Mapping[str, Array],
    threshold: float,
) -> Array:
    """uint8 `[H, W]`: the class of each pixel, the lowest among equals.

    Of a map of one channel, 1 where the probability is `threshold` or more.
    """
    if "foreground" in task["roles"]:
        return np.asarray(foreground(task, tensors, outputs) >= np.float32(threshold), np.uint8)
    if "mask" in task["roles"]:
        (name,) = task["roles"]["mask"]
        size = [x for x in tensors[name]["shape"] if x != 1]
        classes = np.asarray(outputs[name]).reshape(size)
        return (_whole(classes, 255) if classes.dtype.kind == "f" else classes).astype(np.uint8)
    (name,) = task["roles"]["scores"]
    return np.asarray(outputs[name][0].argmax(axis=2), np.uint8)
