"""The names of classes in a text file or a table, and whether they suit a network.

Standard library alone: this lies in artefacts, too.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["BACKGROUND_WORDS", "MOST_LABELS", "fitted", "lines", "table", "without_background"]

MOST_LABELS = 1 << 22
"""Of a table; ImageNet has 22,000 classes."""
BACKGROUND_WORDS = ("background", "???", "__background__")
"""How lists of labels call the class that is nothing."""


def lines(text: str) -> tuple[str, ...]:
    """One label a line; numbers in front ("0 cat", "0: cat") are not part of it if all have them.

    Empty lines at the end are none; those between stand for classes without a name.
    """
    found = [line.strip() for line in text.splitlines()]
    while found and not found[-1]:
        found.pop()
    numbered = [re.fullmatch(r"(\d+)[:\s,]\s*(.*\S)", line) for line in found]
    if found and all(numbered):
        pairs = [(int(m[1]), m[2]) for m in numbered if m]
        if _complete([number for number, _ in pairs]):
            return tuple(name for _, name in sorted(pairs))
    return tuple(found)


def _complete(numbers: Sequence[int]) -> bool:
    return sorted(numbers) == list(range(len(numbers)))


def table(text: str) -> tuple[str, ...]:
    """Names by class index, of a .csv with the columns `class_index` and `name`.

    Several lines of one class, as a list of images has, must agree. Raises ValueError.
    """
    reader = csv.DictReader(text.splitlines())
    if not {"class_index", "name"} <= set(reader.fieldnames or ()):
        raise ValueError("expected the columns class_index and name; add them")
    names: dict[int, str] = {}
    for row in reader:
        number = str(row["class_index"])
        if not number.isdigit():
            raise ValueError(
                f"line {reader.line_num}: class_index {number!r} is no whole number; correct it"
            )
        if names.setdefault(int(number), str(row["name"])) != str(row["name"]):
            raise ValueError(f"line {reader.line_num}: class {number} has two names; keep one")
    size = max(names, default=-1) + 1
    if size > MOST_LABELS:
        raise ValueError(f"class_index {size - 1} is out of any range; correct it")
    return tuple(names.get(index, "") for index in range(size))


def without_background(labels: Sequence[str], classes: int) -> tuple[str, ...]:
    """The labels of an operator that tells `classes` classes and no background."""
    extra = classes and len(labels) == classes + 1 and labels[0].lower() in BACKGROUND_WORDS
    return tuple(labels[1:] if extra else labels)


def fitted(labels: Sequence[str], task: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of the classes of `task` (as a manifest has it), or None where they do not suit.

    Their number is that of the classes; one fewer leaves out a background.
    """
    kind, classes = task["kind"], task["classes"]
    if "count" in task["roles"]:
        labels = without_background(labels, classes)
    with_background = task["background"] if kind == "detector" else True
    if labels and with_background and len(labels) == classes - 1:
        labels = ("background", *labels)
    known = not classes or len(labels) == classes
    if kind in ("unknown", "embedding") or not labels or not known:
        return None
    return tuple(labels)
