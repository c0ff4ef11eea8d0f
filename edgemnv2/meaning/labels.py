"""The names of classes: in the model's file, or in a text file beside it.

A TFLite file with metadata is a zip at its end, whose text files are labels; Teachable Machine's
zip has `labels.txt`. Beside a model lie `NAME.labels.txt`, `labels.txt` or `labels.csv` (columns
`class_index` and `name`).
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from edgemnv2.errors import InputError
from edgemnv2.runtime.vision.labels import lines, table

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
    if path.suffix != ".csv":
        return lines(text)
    try:
        return table(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


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
            return lines(text), f"{texts[0].filename} in {place}"
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
