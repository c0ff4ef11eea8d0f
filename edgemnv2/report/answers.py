"""The parts of a report about the task: what the outputs mean, each one's agreement, pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from edgemnv2.report.load import Result
from edgemnv2.report.table import Cell, badge, number, table, text
from edgemnv2.task import Task

__all__ = ["agreement_html", "pictures_html", "task_html"]

MOST_PICTURES = 12
LARGEST_SIDE = 420
"""Of a picture on the page, in pixels."""
SHOWN_LABELS = 12


def task_html(task: Task) -> str:
    """What the network is for; nothing where that is not known."""
    if task.kind == "unknown" and not task.told_by:
        return ""
    wants = "not known, say it with --preprocess"
    if task.pixels is not None:
        low, high = task.pixels
        wants = f"black is {low:g}, white {high:g} (told by {task.pixels_told_by})"
    labels = "none"
    if task.labels:
        more = ", …" if len(task.labels) > SHOWN_LABELS else ""
        shown = ", ".join(task.labels[:SHOWN_LABELS])
        labels = f"{len(task.labels)} from {task.labels_from}: {shown}{more}"
    features = task.kind == "embedding"
    facts = [
        ("task", task.kind + (f": {task.told_by}" if task.told_by else "")),
        ("outputs", "; ".join(f"{role}: {', '.join(names)}" for role, names in task.roles.items())),
        ("numbers" if features else "classes", str(task.classes) if task.classes else ""),
        ("pixels", wants),
        ("pictures of another shape", task.fit),
        ("labels", "" if features else labels),
    ]
    rows = [[text(key), text(value, True)] for key, value in facts if value]
    return f"<h3>Task</h3>{table(['fact', 'what is known'], rows, 'task')}"


def agreement_html(results: Sequence[Result]) -> str:
    """Every output of verified networks by itself, where there are several."""
    rows = [
        [
            text(end["name"]),
            Cell(_verdict(end)),
            number(end["elements"], f"{end['elements']:,}"),
            number(_agreement(end), f"{_agreement(end):.4f} %"),
            number(end["max_abs_error"], f"{end['max_abs_error']:.3g}"),
            number(end["tolerance"], f"{end['tolerance']:.3g}"),
            text(result.file),
        ]
        for result in results
        if len(result.content.get("outputs") or ()) > 1
        for end in result.content["outputs"]
    ]
    if not rows:
        return ""
    headings = ["output", "result", "values", "agree", "largest error", "allowed", "file"]
    return f"<h3>Each output</h3>{table(headings, rows, 'each output')}"


def _agreement(end: Mapping[str, Any]) -> float:
    return float(100.0 * (1 - end["different"] / max(end["elements"], 1)))


def _verdict(end: Mapping[str, Any]) -> str:
    if not end["passed"]:
        return badge("differs", "bad")
    return badge("exact" if end["exact"] else "within tolerance", "good")


def pictures_html(results: Sequence[Result]) -> str:
    """What `run` said of pictures, with those that it drew; the page holds them itself."""
    parts = []
    for result in results:
        listed = result.content["pictures"]
        figures = [_figure(one) for one in listed[:MOST_PICTURES]]
        left = len(listed) - len(figures)
        more = (
            f'<p class="faint small">and {left} more in {escape(result.file)}</p>' if left else ""
        )
        parts.append(f'<div class="pictures">{"".join(figures)}</div>{more}')
    return f"<h3>Pictures</h3>{''.join(parts)}" if parts else ""


def _figure(one: Mapping[str, Any]) -> str:
    name = one.get("picture") or ""
    image = _image(one.get("drawn"))
    shown = f'<img src="{image}" alt="{escape(_said(one))}">' if image else ""
    return (
        f"<figure>{shown}<figcaption><b>{escape(name)}</b><br>{escape(_said(one))}"
        "</figcaption></figure>"
    )


def _said(one: Mapping[str, Any]) -> str:
    """The answer in words."""
    if one.get("shares") is not None:
        shares = sorted(one["shares"].items(), key=lambda pair: -pair[1])
        return ", ".join(f"{label}: {_share(share)}" for label, share in shares)
    if one.get("neighbours") is not None:
        near = ", ".join(f"{x['name']}: {x['similarity']:.2f}" for x in one["neighbours"])
        return near or f"embedding of {len(one.get('embedding') or ())} numbers"
    for kind, most in (("classes", 3), ("detections", None), ("centroids", None)):
        if one.get(kind) is not None:
            found = one[kind][:most]
            return ", ".join(f"{x['label']}: {x['score']:.0%}" for x in found) or "nothing found"
    return ""


def _share(part: float) -> str:
    """In whole percent, but nothing that is there is 0 %."""
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _image(path: Any) -> str:
    """A drawn picture as a data URI, no larger than is shown; "" where it cannot be read."""
    if path is None or not Path(str(path)).is_file():
        return ""
    from PIL import Image

    try:
        with Image.open(str(path)) as image:
            image.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
            stored = io.BytesIO()
            image.convert("RGB").save(stored, "PNG", optimize=True)
    except OSError:
        return ""
    return f"data:image/png;base64,{base64.b64encode(stored.getvalue()).decode()}"
