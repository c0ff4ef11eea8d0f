"""What a network is for, in words of one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgemnv2.cli.words import as_flags

if TYPE_CHECKING:
    from edgemnv2 import Task
    from edgemnv2.check.pictures import PictureAnswer

__all__ = ["HELD", "answer_lines", "labels_text", "pixels_text", "task_text"]

HELD = {
    "arena": "image included",
    "input": "image included, the result is the caller's",
    "caller": "image and result are the caller's",
}
"""What the arena holds, by `io`."""
SHOWN = 3
"""Labels at most."""


def task_text(task: Task) -> str:
    """The kind, how many classes, and how it is known."""
    count = f" of {task.classes} classes" if task.classes and task.kind != "embedding" else ""
    return f"{task.kind}{count}" + (f" ({as_flags(task.told_by)})" if task.told_by else "")


def pixels_text(task: Task) -> str:
    """What black and white are, and how pictures of another shape become the network's."""
    if task.pixels is None:
        return f"not known, say it with --preprocess; pictures of another shape: {task.fit}"
    low, high = task.pixels
    told = as_flags(task.pixels_told_by)
    return (
        f"black is {low:g}, white {high:g} (told by {told}); pictures of another shape: {task.fit}"
    )


def labels_text(task: Task) -> str:
    """How many there are, the first of them, and where they are from."""
    if not task.labels:
        return "none (a labels.txt beside the model, or --labels)"
    first = "; ".join(task.labels[:SHOWN])
    more = "; …" if len(task.labels) > SHOWN else ""
    return f"{len(task.labels)} from {task.labels_from}: {first}{more}"


def answer_lines(found: PictureAnswer, top: int) -> list[str]:
    """What the network says of a picture: its name, then a line for each thing; pixels are its."""
    answer, place, task = found.answer, found.placement, found.task
    lines = [found.name]
    lines += [f"{x.score:12.4f}  {task.label(x.index)}" for x in answer.classes[:top]]
    for one in answer.detections:
        top_, left, bottom, right = place.box_to_picture((one.top, one.left, one.bottom, one.right))
        where = f"left {left:.0f} top {top_:.0f} right {right:.0f} bottom {bottom:.0f}"
        lines.append(f"{one.score:12.4f}  {task.label(one.index)}  {where}")
    for cell in answer.centroids:
        y, x = place.to_picture(cell.y, cell.x)
        lines.append(f"{cell.score:12.4f}  {task.label(cell.index)}  x {x:.0f} y {y:.0f}")
    if answer.mask is not None:
        values = answer.mask.ravel().tolist()
        shares = sorted(((values.count(i), i) for i in set(values)), reverse=True)
        lines += [f"{_share(n / len(values)):>12}  {task.label(i)}" for n, i in shares]
    if answer.embedding is not None and not found.neighbours:
        lines.append(
            f"{'':14}embedding of {len(answer.embedding)} numbers (see --neighbours, --json)"
        )
    lines += [f"{score:12.4f}  {name}" for name, score in found.neighbours[:top]]
    return lines if len(lines) > 1 else [*lines, f"{'':14}nothing found"]


def _share(part: float) -> str:
    """In percent; what is there is never 0.0 %."""
    return f"{part:.1%}" if part >= 0.0005 else "<0.1%"
