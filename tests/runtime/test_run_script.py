"""`run.py` of an artefact: what it is given by mistake, and that it sees what `verify` sees."""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgemnv2.artifact import Artifact
from edgemnv2.errors import EdgeError
from edgemnv2.meaning.infer import relabelled
from edgemnv2.meaning.told import said as labels_said
from edgemnv2.ops.graph import Tensor
from edgemnv2.pipeline import compile_model
from edgemnv2.samples.images import load_images
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet

RUNTIME = Path(__file__).resolve().parents[2] / "edgemnv2" / "runtime"
# As in an artefact, where `vision` lies beside the script.
sys.path.append(str(RUNTIME))
script = importlib.import_module("edgemnv2.runtime.run")


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    folder = tmp_path_factory.mktemp("script")
    (folder / "net.tflite").write_bytes(TinyMobilenet(dtype="float32").build())
    return compile_model(folder / "net.tflite", "host", folder / "artifact")


@pytest.fixture(autouse=True)
def tools(require_tool: Callable[[str], str]) -> None:
    require_tool("gcc")


def said(artifact: Path, *words: str | Path) -> tuple[int, str]:
    command = [sys.executable, str(artifact / "run.py"), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("change", ["arena", "shape", "list", "empty"])
def test_an_edited_manifest_is_told(change: str, artifact: Artifact, tmp_path: Path) -> None:
    """An arena of 16 bytes would end the process with a segmentation fault."""
    copy = tmp_path / "copy"
    shutil.copytree(artifact.path, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    if change == "arena":
        manifest["arena_bytes"] = 16
    elif change == "shape":
        manifest["outputs"][0]["nhwc"] = [1, 1, 1]
    else:
        manifest = [] if change == "list" else {}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    code, text = said(copy, "x.npy")
    assert code == 1 and "manifest.json: was changed after compile" in text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY\x01\x00v\x00{'descr'"])
def test_damaged_arrays_are_told(content: bytes, artifact: Artifact, tmp_path: Path) -> None:
    for name in ("x.npy", "x.npz"):
        (tmp_path / name).write_bytes(content)
        code, text = said(artifact.path, tmp_path / name)
        assert code == 1 and "cannot be read" in text, text


@pytest.mark.parametrize(
    "words", [("--top", "-3"), ("--top", "0"), ("--frames", "0"), ("--threshold", "nan")]
)
def test_numbers_that_make_no_sense_are_told(words: tuple[str, str], artifact: Artifact) -> None:
    status, error = said(artifact.path, "x.png", *words)
    assert status == 2 and f"{words[0]}: {words[1]}: expected" in error


LABELS = {
    "lines": b"a\nb\nc\nd\ne\n",
    "numbered": b"0 a\n1: b\n4 e\n3 d\n2 c",
    "one fewer": b"b\nc\nd\ne",
    "byte order mark": b"\xef\xbb\xbfa\nb\nc\nd\ne",
    "table": b"class_index,name\n4,e\n1,b\n0,a\n",
    "broken table": b"class_index,name\nx,b\n",
    "three": b"a\nb\nc\n",
    "six": b"a\nb\nc\nd\ne\nf\n",
    "nothing": b"",
    "no text": b"\xff\xfe\x80",
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_are_what_edgemnv2_run_makes_of_them(
    kind: str, artifact: Artifact, tmp_path: Path
) -> None:
    """One fewer than classes leaves out a background; all others of another number are told."""
    file = tmp_path / ("labels.csv" if "table" in kind else "labels.txt")
    file.write_bytes(LABELS[kind])
    task = artifact.manifest.task
    assert (task.kind, task.classes) == ("classifier", 5)
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    code, error = said(artifact.path, tmp_path / "x.png", "--labels", file)
    try:
        expected: tuple[str, ...] = relabelled(task, labels_said(labels=file)).labels
    except EdgeError:
        assert code == 1 and str(file) in error and error.count("\n") == 1
        return
    network = script.Network(artifact.path)
    words = argparse.Namespace(top=5, threshold=None, labels=file)
    assert code == 0 and script.Answering(network, words).task["labels"] == expected


def test_nothing_that_is_read_is_written_over(artifact: Artifact, tmp_path: Path) -> None:
    picture, link, labels = (tmp_path / x for x in ("x.png", "link.png", "labels.npz"))
    Image.new("RGB", (9, 9)).save(picture)
    link.symlink_to(picture)
    labels.write_text("a\nb\n")
    before = picture.read_bytes()
    for words in (
        ("--draw", picture),
        ("--draw", link),
        ("--outputs", picture),
        ("--labels", labels, "--outputs", labels),
    ):
        code, error = said(artifact.path, picture, *words)
        assert code == 1 and "would be written over what is read" in error, words
    assert picture.read_bytes() == before and labels.read_text() == "a\nb\n"


def test_what_would_not_be_written_is_told(artifact: Artifact, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    np.savez(tmp_path / "x.npz", input=np.zeros((1, 8, 8, 3), np.float32))
    for read, words, expected in (
        ("", ("--outputs", "y.npz"), "--outputs: is for one"),
        ("", ("--draw", tmp_path / "x.png"), "is not a folder"),
        ("x.npz", ("--draw", "y.png"), "--draw and --threshold are about pictures"),
        ("x.png", ("--draw", tmp_path / "y.txt"), "y.txt: cannot be drawn"),
        ("x.png", ("--frames", "3"), "--frames: are those of a --camera"),
    ):
        code, error = said(artifact.path, tmp_path / read, *words)
        assert code and expected in error, words
    assert {x.name for x in tmp_path.iterdir()} == {"x.png", "x.npz"}


@pytest.mark.parametrize("kind", ["16 bits", "turned", "8 bits"])
def test_a_picture_is_what_verify_makes_of_it(kind: str, tmp_path: Path) -> None:
    channels = 1 if kind == "16 bits" else 3
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, channels)).astype(np.uint8)
    folder = tmp_path / "images"
    folder.mkdir()
    path = folder / "a.png"
    if kind == "16 bits":
        Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257).save(path)
    else:
        exif = Image.Exif()
        exif[0x0112] = 6 if kind == "turned" else 1
        Image.fromarray(pixels).save(path, exif=exif)
    found = script.read_pixels(path, channels)
    (expected,) = load_images(folder, Tensor("x", 8, 8, channels, "float32"), "raw").x
    assert np.array_equal(found, expected)
    if kind != "turned":
        assert np.array_equal(found, pixels)
