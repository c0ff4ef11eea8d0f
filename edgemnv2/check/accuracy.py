"""Top-1, top-5 and agreement of class scores. Equal scores: the lowest index wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.errors import InputError, counted

__all__ = ["Accuracy", "accuracy", "agreement", "class_scores", "of_two_classes", "top_k"]

Array = NDArray[Any]

BACKGROUND_CLASSES = 1001
"""TF-slim and Coral models put "background" at 0 and ImageNet's 1000 classes behind it."""


@dataclass(frozen=True)
class Accuracy:
    """Shares in percent, over `samples` labelled inputs."""

    top1: float
    top5: float
    samples: int
    background_dropped: bool
    """Whether the scores had a background class at 0 that the labels do not count."""


def class_scores(outputs: Array, labels: Array | None = None) -> Array:
    """`[N, classes]` from outputs `[N, 1, 1, C]`.

    1001 outputs against labels 0..999 lose their first, the background class; without labels too,
    so that the indices are ImageNet's. Raises InputError for outputs that are no class scores.
    """
    scores = _flat(outputs)
    if scores.shape[1] == BACKGROUND_CLASSES and (labels is None or labels.max() < 1000):
        return scores[:, 1:]
    return scores


def top_k(scores: Array, k: int) -> Array:
    """Indices of the `k` highest scores of each row, best first, `[N, min(k, classes)]`."""
    ordered = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")
    return np.asarray(ordered[:, :k])


def accuracy(outputs: Array, labels: Array) -> Accuracy:
    """Top-1 and top-5 of outputs `[N, 1, 1, C]` against labels `[N]`.

    Raises InputError where a label is beyond the classes.
    """
    scores = class_scores(outputs, labels)
    if len(labels) != len(scores):
        raise InputError(
            f"{counted(len(labels), 'label')} for {counted(len(scores), 'output')}; give one for "
            "each"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise InputError(
            f"labels go from {labels.min()} to {labels.max()} but the model has "
            f"{scores.shape[1]} classes; use its own class indices"
        )
    hits = top_k(scores, 5) == labels[:, np.newaxis]
    return Accuracy(
        top1=100.0 * float(hits[:, 0].mean()),
        top5=100.0 * float(hits.any(axis=1).mean()),
        samples=len(labels),
        background_dropped=scores.shape[1] != outputs.reshape(len(outputs), -1).shape[1],
    )


def agreement(a: Array, b: Array, least: float | None = None) -> float | None:
    """Percent of positions at which two outputs `[N, H, W, C]` put the same class first.

    Of int32 and int64, which are classes themselves, percent of equal values; of a map of one
    channel, percent of values on the same side of `least`, from which on they are foreground. None
    for one channel without it: there is no other class that could be first.
    """
    if a.shape != b.shape:
        raise InputError(
            f"outputs of shapes {list(a.shape)} and {list(b.shape)} cannot agree; "
            "compare the same model on the same inputs"
        )
    if a.dtype in (np.int32, np.int64):
        same = a == b
    elif least is not None:
        same = (a >= least) == (b >= least)
    elif a.shape[-1] == 1:
        return None
    else:
        same = a.argmax(axis=-1) == b.argmax(axis=-1)
    return 100.0 * float(same.mean())


def of_two_classes(outputs: Array, least: float) -> Array:
    """float32 scores of two classes, of outputs whose one channel means the second from `least`."""
    second = outputs.astype(np.float32) - np.float32(least)
    return np.concatenate([-second, second], axis=-1)


def _flat(outputs: Array) -> Array:
    scores = outputs.reshape(len(outputs), -1)
    if scores.shape[1] != outputs.shape[-1]:
        raise InputError(
            f"outputs of shape {list(outputs.shape)} are a grid, not class scores; "
            "leave the labels away"
        )
    return scores
