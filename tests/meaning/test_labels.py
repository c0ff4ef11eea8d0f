"""Labels inside a model's file, beside it, and as the user gives them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from edgemnv2.errors import InputError
from edgemnv2.meaning.labels import labels_beside, labels_inside, read_labels
from edgemnv2.runtime.vision.decode import label
from edgemnv2.task import Task


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat\ndog\n\n", ("cat", "dog")),
        ("0 cat\n1 dog\n", ("cat", "dog")),
        ("1: dog\n0: cat\n", ("cat", "dog")),
        ("\ufeffKatze\r\nHund\r\n", ("Katze", "Hund")),
        # Numbers that do not count the lines belong to the names.
        ("7 eleven\n9 lives\n", ("7 eleven", "9 lives")),
        ("cat\n\ndog\n", ("cat", "", "dog")),
        ("", ()),
    ],
)
def test_a_label_a_line(text: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(text.encode())
    assert read_labels(tmp_path / "labels.txt") == expected


def test_a_class_without_a_name_is_told_by_its_number_everywhere() -> None:
    task = Task("classifier", "", {"scores": ("out",)}, 3, labels=("cat", "", "dog"))
    expected = ["cat", "1", "dog", "3"]
    assert [task.label(i) for i in range(4)] == expected
    assert [label(task.to_dict(), i) for i in range(4)] == expected


def test_a_table_of_classes_or_of_images(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,class_index,name\na,2,dog\nb,0,cat\nc,2,dog\n")
    assert read_labels(tmp_path / "labels.csv") == ("cat", "", "dog")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("file,name\na,b\n", "class_index and name"),
        ("class_index,name\nx,b\n", "no whole number"),
        ("class_index,name\n1,b\n1,c\n", "two names"),
        ("class_index,name\n99999999,b\n", "out of any range"),
    ],
)
def test_tables_that_are_none(text: str, fact: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(InputError, match=fact):
        read_labels(tmp_path / "labels.csv")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.txt")
    (tmp_path / "l.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        read_labels(tmp_path / "l.txt")


def test_the_zip_at_the_end_of_a_tflite_file(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(b"\0\0\0\0TFL3" + bytes(100))
    assert labels_inside(path) == ((), "")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("vocabulary.txt", "a\nb\n")
        archive.writestr("labelmap.txt", "cat\ndog\n")
    assert labels_inside(path) == (("cat", "dog"), "labelmap.txt in TFLite metadata")


def test_teachable_machines_zip(tmp_path: Path) -> None:
    path = tmp_path / "converted_keras.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("labels.txt", "0 me\n1 nobody\n")
    assert labels_inside(path) == (("me", "nobody"), "labels.txt in Teachable Machine's zip")


def test_files_beside_the_model_in_their_order(tmp_path: Path) -> None:
    model = tmp_path / "net.onnx"
    assert labels_beside(model) == ((), "")
    (tmp_path / "labels.csv").write_text("class_index,name\n0,a\n")
    assert labels_beside(model) == (("a",), "labels.csv")
    (tmp_path / "labels.txt").write_text("b\n")
    assert labels_beside(model) == (("b",), "labels.txt")
    (tmp_path / "net.labels.txt").write_text("c\n")
    assert labels_beside(model) == (("c",), "net.labels.txt")


def test_a_list_of_images_beside_a_model_names_no_classes(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,class_index\na.png,0\n")
    assert labels_beside(tmp_path / "net.onnx") == ((), "")
