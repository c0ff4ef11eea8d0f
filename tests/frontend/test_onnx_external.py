"""Weights in a file of their own: found, missing, truncated, kept with the artefact."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edgemnv2.cli.main import main
from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from tests.frontend.tiny_onnx import TinyOnnx

DATA = "net.onnx.data"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    onnx.save(TinyOnnx().build(), path, save_as_external_data=True, location=DATA, size_threshold=0)
    assert (tmp_path / DATA).is_file()
    return path


def test_a_missing_file_of_weights_is_named(file: Path) -> None:
    (file.parent / DATA).unlink()
    with pytest.raises(ModelError, match=r"net\.onnx: its weights lie in .* 'net\.onnx\.data'"):
        load_model(file)


def test_a_truncated_file_of_weights_is_named(file: Path) -> None:
    data = (file.parent / DATA).read_bytes()
    (file.parent / DATA).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match=r"'net\.onnx\.data', cannot be read"):
        load_model(file)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname"])
def test_weights_outside_of_the_folder_are_not_read(file: Path, location: str) -> None:
    model = onnx.load(file, load_external_data=False)
    (file.parent.parent / "secret").write_bytes(b"0" * 100_000)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    onnx.save_model(model, str(file))
    with pytest.raises(ModelError, match="weights"):
        load_model(file)


def test_other_weights_are_another_model(file: Path) -> None:
    before = load_model(file).sha256
    data = bytearray((file.parent / DATA).read_bytes())
    data[0] ^= 1
    (file.parent / DATA).write_bytes(bytes(data))
    assert load_model(file).sha256 != before


def test_the_artefact_keeps_both_files(
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    require_module: Callable[[str], None],
) -> None:
    require_module("onnxruntime")
    folder = tmp_path / "out" / "art"
    command = ["compile", str(file), "--target", "host", "-o", str(folder), "--keep-source"]
    assert main(command) == 0
    file.unlink()
    capsys.readouterr()
    assert main(["verify", str(folder), "--random", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against_source"]["passed"]
