"""The parts of a report about the task: in words that cannot be taken for other ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgemnv2.report.answers import agreement_html, pictures_html, task_html
from edgemnv2.report.load import Result
from edgemnv2.task import Task


def words(html: str) -> str:
    """The text of a page's part, its cells apart."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def pictures(*listed: dict[str, Any]) -> Result:
    return Result("run", "run.json", {"pictures": list(listed)})


def test_a_detector_s_task_is_told_with_its_labels() -> None:
    labels = tuple(f"label{i}" for i in range(20))
    task = Task(
        "detector", "anchors as told", {"boxes": ("b",)}, 20, labels=labels, labels_from="l.txt"
    )
    said = words(task_html(task))
    assert "detector: anchors as told" in said and "classes 20" in said
    assert "20 from l.txt: label0," in said and "label11, …" in said and "label12" not in said
    assert "not known, say it with --preprocess" in said


def test_an_embedding_has_numbers_and_no_labels() -> None:
    said = words(task_html(Task("embedding", "features", {"embedding": ("e",)}, 128)))
    assert "numbers 128" in said
    assert "classes" not in said and "labels" not in said


def test_nothing_is_said_of_an_unknown_task() -> None:
    assert task_html(Task("unknown", "")) == ""


def test_each_of_several_outputs_has_its_agreement() -> None:
    ends = [
        {"name": name, "passed": True, "exact": exact, "elements": 1000, "different": different}
        | {"max_abs_error": error, "tolerance": 0.001}
        for name, exact, different, error in (("boxes", True, 0, 0), ("scores", False, 5, 0.0005))
    ]
    said = words(agreement_html([Result("verify", "v.json", {"outputs": ends})]))
    assert "boxes exact 1,000 100.0000 %" in said
    assert "scores within tolerance 1,000 99.5000 % 0.0005" in said
    assert agreement_html([Result("verify", "v.json", {"outputs": ends[:1]})]) == ""


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"detections": [{"label": "7", "score": 0.94}, {"label": "5", "score": 0.5}]}, "7: 94%"),
        ({"detections": []}, "nothing found"),
        ({"classes": [{"label": str(i), "score": 0.1} for i in range(9)]}, "0: 10%, 1: 10%, 2"),
        ({"shares": {"background": 0.899, "7": 0.1, "2": 0.001}}, "7: 10%, 2: <1%"),
        ({"neighbours": [{"name": "a.png", "similarity": 0.913}]}, "a.png: 0.91"),
        ({"neighbours": [], "embedding": [0.0] * 8}, "embedding of 8 numbers"),
    ],
)
def test_what_is_said_of_a_picture(one: dict[str, Any], said: str) -> None:
    shown = pictures_html([pictures({"picture": "a<b>.png", **one})]).replace("&lt;", "<")
    assert said in shown
    assert "<img" not in shown and "a<b&gt;.png" in shown


def test_a_drawn_picture_is_in_the_page_and_no_larger_than_shown(tmp_path: Path) -> None:
    path = tmp_path / "drawn.png"
    Image.new("RGB", (2000, 1000), "red").save(path)
    one = {"picture": "p.png", "drawn": str(path), "detections": []}
    page = pictures_html([pictures(*[one] * 14)])
    assert page.count('src="data:image/png;base64,') == 12
    assert "and 2 more in run.json" in page
    assert len(page) < 12 * 20_000
