"""What artefacts beside each other are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.report.document import report
from edgemnv2.report.labels import labels
from edgemnv2.report.load import load
from tests.report.fabricated_artifact import write_artifact


@pytest.mark.parametrize(
    ("artifacts", "wanted"),
    [
        ([("a", "net", "rpi4")], ["net for rpi4"]),
        ([("a", "net", "rpi4"), ("b", "net", "rpi5")], ["rpi4", "rpi5"]),
        ([("a", "net", "rpi4"), ("b", "other", "rpi4")], ["net", "other"]),
        ([("a", "net", "rpi4"), ("b", "other", "rpi5")], ["net for rpi4", "other for rpi5"]),
        ([("a", "net", "rpi4"), ("b", "net", "rpi4")], ["a", "b"]),
        (
            [("a", "net", "rpi4"), ("b", "net", "rpi4"), ("c", "net", "rpi5")],
            ["net for rpi4, a", "net for rpi4, b", "net for rpi5, c"],
        ),
        ([("x/a", "net", "rpi4"), ("y/a", "net", "rpi4")], ["a (1)", "a (2)"]),
    ],
)
def test_labels_say_what_differs(
    tmp_path: Path, artifacts: list[tuple[str, str, str]], wanted: list[str]
) -> None:
    folders = [
        write_artifact(tmp_path / folder, name=name, target=target)
        for folder, name, target in artifacts
    ]
    subjects, _ = load(folders)
    assert labels(subjects) == wanted


def test_equal_names_are_told_apart_on_the_page(tmp_path: Path) -> None:
    folders = [write_artifact(tmp_path / t, target=t) for t in ("rpi4", "mps2-an500")]
    page = report(folders)
    assert (
        '<a href="#artifact-0">rpi4</a>' in page and '<a href="#artifact-1">mps2-an500</a>' in page
    )
