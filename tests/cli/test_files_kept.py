"""No verb writes over a file that it reads: the user's model, photographs, arrays, results."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgemnv2
from edgemnv2.cli.main import main
from tests.meaning import forms


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, an artefact of it, pictures, arrays and results, all of their usual names."""
    folder = tmp_path_factory.mktemp("made")
    model = forms.classifier(folder)
    model.rename(folder / "model.onnx")
    net = edgemnv2.compile(
        folder / "model.onnx", "host", folder / "net", threads=1, keep_source=True
    )
    (tensor,) = net.inputs
    np.savez(folder / "x.npz", **{tensor.name: np.zeros(tensor.shape, tensor.dtype)})
    (folder / "photos").mkdir()
    for name in ("photo.png", "photos/a.png"):
        Image.new("RGB", (20, 20), "teal").save(folder / name)
    (folder / "photos/labels.csv").write_text("file,class_index\na.png,1\n")
    (folder / "verify.json").write_text('{"passed": true, "samples": 1, "artifact": "net"}')
    return folder


@pytest.mark.parametrize(
    "words",
    [
        "run net photo.png --draw photo.png",
        "run net photo.png --draw link.png",
        "run net photos --draw photos",
        "run net --inputs x.npz --outputs x.npz",
        "run net --images photos --outputs photos/labels.csv",
        "run net --random 1 --outputs net/manifest.json",
        "quantize model.onnx --random 2 -o model.onnx",
        "quantize model.onnx --random 2 -o ./photos/../model.onnx",
        "report net -o net/manifest.json",
        "report net --results verify.json -o verify.json",
        "report net --format model-explorer -o net/manifest.json",
        "compile net/reference/source/model.onnx --target host -o net --force",
    ],
)
def test_what_is_read_is_kept(
    words: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    work = tmp_path / "work"
    shutil.copytree(made, work)
    (work / "link.png").symlink_to(work / "photo.png")
    before = {path: path.read_bytes() for path in work.rglob("*") if path.is_file()}
    monkeypatch.chdir(work)
    status = main(words.split())
    error = capsys.readouterr().err.splitlines()[-1]
    assert status in (1, 2) and ("which is read" in error or "copy it to another" in error), error
    assert {path: path.read_bytes() for path in work.rglob("*") if path.is_file()} == before


def test_a_page_is_written_over_the_one_before(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it lies in the artefact or beside the photographs."""
    work = tmp_path / "work"
    shutil.copytree(made, work)
    monkeypatch.chdir(work)
    for _ in range(2):
        assert main(["report", "net", "-o", "net/report.html"]) == 0
        assert main(["run", "net", "photos", "--draw", "drawn"]) == 0
