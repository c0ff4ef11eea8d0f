"""What the user says of a network's task, from files and words."""

from __future__ import annotations

from pathlib import Path

from edgemnv2.errors import UsageError
from edgemnv2.meaning.anchors import read_anchors
from edgemnv2.meaning.labels import read_labels
from edgemnv2.task import FITS, KINDS, Said

__all__ = ["said"]


def said(
    *,
    task: str | None = None,
    labels: str | Path | None = None,
    anchors: str | Path | None = None,
    fit: str | None = None,
) -> Said:
    """What `compile` is told of a network's task; what is left out follows from its file.

    `task` is one of `task.KINDS` and `fit` of `task.FITS`; `labels` is a file with a label a line,
    `anchors` one as `meaning.anchors.read_anchors` takes. Raises UsageError for other words,
    InputError for files that cannot be read.
    """
    for word, value, known in (("task", task, KINDS), ("fit", fit, FITS)):
        if value is not None and value not in known:
            raise UsageError(f"{word}={value}: expected one of {', '.join(known)}")
    names = () if labels is None else read_labels(Path(labels))
    return Said(
        kind=task,
        labels=names,
        labels_from="" if labels is None else Path(labels).name,
        anchors=() if anchors is None else read_anchors(Path(anchors)),
        fit=fit,
    )
