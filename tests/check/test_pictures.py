"""Photographs through artefacts of every task: answers, drawings, and the artefact's own run.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgemnv2
from edgemnv2.check.pictures import PictureAnswer
from edgemnv2.errors import InputError, UsageError
from edgemnv2.runtime.vision.decode import Answer
from edgemnv2.runtime.vision.geometry import Placement
from edgemnv2.task import Task
from tests.meaning import forms
from tests.meaning.test_infer import MAPS

Array = np.ndarray[Any, Any]
MAKERS: dict[str, Callable[[Path], Path]] = {
    "classifier": forms.classifier,
    "classifier of two": forms.two_classes,
    "detector": lambda folder: forms.map_heads(folder, {"anchors": MAPS, "labels": list("vwxyz")}),
    "embedding": lambda folder: forms.embedding(folder, True),
    "grid": forms.grid,
    "segmenter": lambda folder: forms.segmenter(folder, True),
    "segmenter of one thing": forms.one_map,
}


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, edgemnv2.OpenArtifact]:
    """One small artefact for this machine of each task."""
    made = {}
    for kind, maker in MAKERS.items():
        folder = tmp_path_factory.mktemp(kind)
        made[kind] = edgemnv2.compile(maker(folder), "host", folder / "net", threads=1)
        assert made[kind].task.kind == kind.split()[0]
    return made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of several sizes, kinds and turns."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, size in (("wide.jpg", (24, 90)), ("high.png", (77, 40)), ("same.png", (32, 32))):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
        image.save(folder / name)
    Image.new("L", (50, 50), 99).save(folder / "grey.png")
    return folder


@pytest.mark.parametrize("kind", MAKERS)
def test_a_folder_is_answered_and_drawn(
    kind: str, artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    found = artifacts[kind].answer(
        photos,
        draw=tmp_path / "out",
        threshold=0.0,
        progress=lambda done, total: told.append((done, total)),
    )
    assert [x.name for x in found] == ["grey.png", "high.png", "same.png", "wide.jpg"]
    assert told[-1] == (4, 4)
    for one in found:
        assert one.drawn is not None
        with Image.open(one.drawn) as page:
            assert page.width >= 200
        content = json.loads(json.dumps(one.to_dict()))
        assert content["task"] == kind.split()[0]
        assert content.keys() > {"picture", "task", "drawn"}
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.parametrize("kind", MAKERS)
def test_the_artefacts_own_program_says_the_same(
    kind: str, artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    opened = artifacts[kind]
    for name in ("high.png", "wide.jpg"):
        command = [sys.executable, str(opened.path / "run.py"), str(photos / name)]
        command += ["--threshold", "0", "--draw", str(tmp_path / "theirs.png"), "--top", "99"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (ours,) = opened.answer(photos / name, draw=tmp_path / "ours.png", threshold=0.0)
        answer = ours.answer
        count = len(answer.classes) + len(answer.detections) + len(answer.centroids)
        if answer.mask is not None:
            count = len(np.unique(answer.mask))
        assert len(done.stdout.splitlines()) == max(count, 1)
        with Image.open(tmp_path / "theirs.png") as a, Image.open(tmp_path / "ours.png") as b:
            assert a.size == b.size
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def test_the_foreground_is_what_the_threshold_makes_it(
    artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path
) -> None:
    opened, shares = artifacts["segmenter of one thing"], []
    for threshold in (0.0, 0.3, None, 0.5, 0.7, 1.1):
        (one,) = opened.answer(photos / "high.png", threshold=threshold)
        assert one.answer.mask is not None
        shares.append(float(one.answer.mask.mean()))
        labels = set(one.to_dict()["shares"])
        assert labels <= {"background", "foreground"}
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1.0, 0.0)
    assert shares[2] == shares[3] and 0 < shares[3] < 1
    assert len(set(shares)) > 3


def test_classes_of_one_label_share_it() -> None:
    """The second one was lost."""
    mask = np.array([[0, 1], [2, 2]])
    task = Task("segmenter", "a test", labels=("void", "road", "void"))
    whole = Placement(2, 2, (2, 2), (2, 2), 0, 0)
    answer = PictureAnswer("a.png", Answer("segmenter", mask=mask), whole, task)
    assert answer.to_dict()["shares"] == {"void": 0.75, "road": 0.25}


def test_run_py_takes_a_folder_and_a_camera(
    artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    """The camera is a module that stands in for OpenCV, on the path of the program."""
    program = str(artifacts["detector"].path / "run.py")
    command = [sys.executable, program, str(photos), "--draw", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    (tmp_path / "cv2.py").write_text(
        "import numpy as np\n"
        "class VideoCapture:\n"
        "    def __init__(self, number): pass\n"
        "    def isOpened(self): return True\n"
        "    def read(self): return True, np.full((48, 64, 3), 77, np.uint8)\n"
        "    def release(self): print('released')\n"
    )
    command = [sys.executable, program, "--camera", "--frames", "3"]
    command += ["--draw", str(tmp_path / "now.png")]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path), "PATH": ""}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("frames/s") == 3
    assert done.stdout.rstrip().endswith("released")
    assert (tmp_path / "now.png").is_file()


def test_a_turned_photograph_is_the_upright_one(
    artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    with Image.open(photos / "high.png") as image:
        turned = image.rotate(90, expand=True)
        exif = Image.Exif()
        exif[0x0112] = 6
        turned.save(tmp_path / "turned.png", exif=exif)
    (a,) = artifacts["classifier"].answer(photos / "high.png")
    (b,) = artifacts["classifier"].answer(tmp_path / "turned.png")
    assert a.answer.classes == b.answer.classes


def test_the_nearest_neighbour_of_a_picture_is_itself(
    artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    found = artifacts["embedding"].answer(photos, neighbours=photos, draw=tmp_path)
    for one in found:
        name, score = one.neighbours[0]
        assert score == pytest.approx(1.0, abs=1e-5)
        assert name == one.name or one.neighbours[1][1] == pytest.approx(score, abs=1e-4)


def test_what_cannot_be_answered_is_refused(
    artifacts: dict[str, edgemnv2.OpenArtifact], photos: Path, tmp_path: Path
) -> None:
    detector = artifacts["detector"]
    with pytest.raises(InputError, match="no such picture"):
        detector.answer(tmp_path / "none.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        detector.answer(tmp_path / "empty")
    with pytest.raises(UsageError, match="ends in"):
        detector.answer(photos / "same.png", draw=tmp_path / "out.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="not a folder"):
        detector.answer(photos, draw=tmp_path / "file")
    with pytest.raises(UsageError, match="only embeddings"):
        detector.answer(photos, neighbours=photos)
    with pytest.raises(InputError, match="cannot be written"):
        detector.answer(photos / "same.png", draw=tmp_path / "file" / "out.png")
    unknown = edgemnv2.compile(forms.raw_heads(tmp_path), "host", tmp_path / "net", threads=1)
    with pytest.raises(InputError, match="without their anchors"):
        unknown.answer(photos)
