"""The names of classes: in the model's file, or in a text file beside it.

A TFLite file with metadata is a zip at its end, whose text files are labels; Teachable Machine's
zip has `labels.txt`. Beside a model lie `NAME.labels.txt`, `labels.txt` or `labels.csv` (columns
`class_index` and `name`).
"""

from __future__ import annotations

import csv
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from edgemnv2.errors import InputError

__all__ = ["labels_beside", "labels_inside", "read_labels"]

MOST_BYTES = 1 << 22
"""Of a list of labels; ImageNet's 22,000 names take half a MiB."""


def read_labels(path: Path) -> tuple[str, ...]:
    """The labels in a text file, one a line, or in a .csv with `class_index` and `name`.

    Raises InputError: no file, not text, a table that is not one.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: larger than {MOST_BYTES} bytes (expected a label a line)")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: labels cannot be read ({error}); give UTF-8 text") from None
    except OSError as error:
        raise InputError(
            f"{path}: labels cannot be read ({error.strerror}); give a text file, a label a line"
        ) from None
    return _table(text, path) if path.suffix == ".csv" else _lines(text)


def labels_inside(path: Path) -> tuple[tuple[str, ...], str]:
    """The labels that the model's own file brings, and from where; () and "" where there are none.

    A file that is no archive, or whose archive is damaged, has none.
    """
    if path.suffix not in (".tflite", ".zip") or not zipfile.is_zipfile(path):
        return (), ""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = [
                entry
                for entry in archive.infolist()
                if entry.filename.endswith(".txt") and entry.file_size <= MOST_BYTES
            ]
            # Vocabularies of texts are .txt, too; what is called after labels comes first.
            texts.sort(key=lambda entry: "label" not in entry.filename.lower())
            if not texts:
                return (), ""
            text = archive.read(texts[0]).decode("utf-8", "replace")
            place = "Teachable Machine's zip" if path.suffix == ".zip" else "TFLite metadata"
            return _lines(text), f"{texts[0].filename} in {place}"
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return (), ""


def labels_beside(path: Path) -> tuple[tuple[str, ...], str]:
    """The labels in a file beside the model, and its name; () and "" where there is none."""
    for name in (f"{path.stem}.labels.txt", f"{path.stem}_labels.txt", "labels.txt", "labels.csv"):
        file = path.parent / name
        if file.is_file():
            try:
                found = read_labels(file)
            except InputError:
                # A folder of images has such a table of files, which names no classes.
                continue
            if found:
                return found, name
    return (), ""


def _lines(text: str) -> tuple[str, ...]:
    """One label a line; numbers in front ("0 cat", "0: cat") are not part of it if all have them.

    Empty lines at the end are none; those between stand for classes without a name.
    """
    lines = [line.strip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [re.fullmatch(r"(\d+)[:\s,]\s*(.*\S)", line) for line in lines]
    if lines and all(numbered):
        pairs = [(int(m[1]), m[2]) for m in numbered if m]
        if _complete([number for number, _ in pairs]):
            return tuple(name for _, name in sorted(pairs))
    return tuple(lines)


def _complete(numbers: Sequence[int]) -> bool:
    return sorted(numbers) == list(range(len(numbers)))


def _table(text: str, path: Path) -> tuple[str, ...]:
    """Names by class index; several lines of one class, as a list of images has, must agree."""
    reader = csv.DictReader(text.splitlines())
    if not {"class_index", "name"} <= set(reader.fieldnames or ()):
        raise InputError(f"{path}: expected the columns class_index and name; add them")
    names: dict[int, str] = {}
    for row in reader:
        number = str(row["class_index"])
        if not number.isdigit():
            raise InputError(
                f"{path}: line {reader.line_num}: class_index {number!r} is no whole number; "
                "correct it"
            )
        if names.setdefault(int(number), str(row["name"])) != str(row["name"]):
            raise InputError(
                f"{path}: line {reader.line_num}: class {number} has two names; keep one"
            )
    size = max(names, default=-1) + 1
    if size > MOST_BYTES:
        raise InputError(f"{path}: class_index {size - 1} is out of any range; correct it")
    return tuple(names.get(index, "") for index in range(size))
