"""`verify` asks the framework that made the file: faults of the import fail, by layer's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgemnv2
from edgemnv2.artifact import Artifact, load_artifact
from edgemnv2.check import origin as origin_module
from edgemnv2.check.origin import find_origin
from edgemnv2.cli.main import main
from edgemnv2.errors import UsageError
from edgemnv2.manifest import decode
from edgemnv2.ops import tflite_terms
from edgemnv2.ops.convolution import onnx as convolution_onnx
from edgemnv2.ops.dequantize import onnx as dequantize_onnx
from edgemnv2.ops.quantize import onnx as quantize_onnx
from edgemnv2.ops.source import FlowBuilder, SourceNode, SourceTensor
from edgemnv2.ops.store import KEPT_FOLDER, load_graph
from edgemnv2.ops.table import rules_of
from edgemnv2.target import load_target
from tests.networks.padded_clamped import FORMATS, PACKAGES, padded_clamped

Captured = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch


def _write(format_: str, folder: Path) -> Path:
    suffix, data = padded_clamped(format_)
    path = folder / f"net{suffix}"
    path.write_bytes(data)
    return path


@pytest.fixture
def tflite_file(tmp_path: Path, require_module: Callable[[str], None]) -> Path:
    require_module("ai_edge_litert")
    return _write("tflite", tmp_path)


def _compile(file: Path, *options: str) -> Path:
    folder = file.parent / "art"
    assert main(["compile", str(file), "--target", "host", "-o", str(folder), *options]) == 0
    return folder


def _verify(folder: Path, capsys: Captured, *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main(["verify", str(folder), "--random", "2", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


# -- faults planted in the import ----------------------------------------------------------------


def _wrong_zero_point(patch: Patch) -> None:
    """TFLite: of the first tensor that is dequantised; QDQ: of the first weights."""
    right_tflite, right_onnx = FlowBuilder._parameters, quantize_onnx.parameters
    first: list[str] = []

    def tflite(self: FlowBuilder, tensor: SourceTensor) -> Any:
        first.append(tensor.name)
        scale, zero = right_tflite(self, tensor)
        return scale, _higher(zero, 1 if tensor.name == first[0] else 0)

    def onnx(node: SourceNode, flow: FlowBuilder) -> Any:
        scale, zero = right_onnx(node, flow)
        if not node.input(0).is_constant:
            return scale, zero
        first.append(node.output.name)
        return scale, _higher(zero, 1 if node.output.name == first[0] else 0)

    patch.setattr(FlowBuilder, "_parameters", tflite)
    patch.setattr(dequantize_onnx, "parameters", onnx)


def _higher(zero: Any, by: int) -> Any:
    return type(zero)(zero.values + np.int32(by))


def _swapped_pad(patch: Patch) -> None:
    """Above and below, left and right."""
    right, right_same = convolution_onnx.spatial, tflite_terms.same_padding

    def onnx(node: SourceNode, *more: Any) -> dict[str, Any]:
        found = right(node, *more)
        top, left, bottom, right_side = found["padding"]
        return {**found, "padding": (bottom, right_side, top, left)}

    patch.setattr(convolution_onnx, "spatial", onnx)
    patch.setattr(tflite_terms, "same_padding", lambda *sizes: right_same(*sizes)[::-1])


def _dropped_clamp(patch: Patch) -> None:
    """Of every convolution."""
    patch.setattr(tflite_terms, "activation_of", lambda node: None)
    patch.setitem(
        rules_of("onnx"),
        "Clip",
        lambda node, flow: flow.alias(node.output, flow.stored(node.input(0))),
    )


FAULTS = {
    "zero point": _wrong_zero_point,
    "pad": _swapped_pad,
    "clamp": _dropped_clamp,
}


@pytest.mark.parametrize(
    ("format_", "fault"),
    # A float network has no zero points.
    [(x, fault) for x in FORMATS for fault in FAULTS if (x, fault) != ("onnx", "zero point")],
)
def test_a_fault_of_the_import_fails_and_its_layer_is_named(
    format_: str,
    fault: str,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: Patch,
    require_module: Callable[[str], None],
) -> None:
    require_module(PACKAGES[format_])
    file = _write(format_, tmp_path)
    with monkeypatch.context() as patch:
        FAULTS[fault](patch)
        folder = _compile(file)
    # Without the file all agree: code, reference, and the fault in both.
    blind, said = _verify(folder, capsys, "--no-against-source")
    assert blind == 0 and said["passed"] and said["against_source"] is None
    code, said = _verify(folder, capsys, "--against-source", str(file))
    found = said["against_source"]
    assert code == 1 and not said["passed"] and not found["passed"]
    assert found["layer"] == "stem" and found["tensor"]
    capsys.readouterr()
    assert main(["verify", str(folder), "--random", "1", "--against-source", str(file)]) == 1
    out = capsys.readouterr().out
    assert "FAILED" in out and "layer stem" in out and "please report" in out


@pytest.mark.parametrize("format_", FORMATS)
def test_a_right_import_passes_and_says_against_what(
    format_: str,
    tmp_path: Path,
    capsys: Captured,
    monkeypatch: Patch,
    require_module: Callable[[str], None],
) -> None:
    require_module(PACKAGES[format_])
    file = _write(format_, tmp_path)
    folder = _compile(file)
    monkeypatch.chdir(file.parent)
    code, said = _verify(folder, capsys)
    found = said["against_source"]
    assert code == 0 and found["passed"] and found["samples"] == 2
    assert found["framework"].startswith(("LiteRT", "onnxruntime"))
    assert found["elements"] > 0 and found["layer"] is None
    assert main(["verify", str(folder), "--random", "1"]) == 0
    assert found["framework"] in capsys.readouterr().out


# -- where the file is ---------------------------------------------------------------------------


def test_the_kept_file_is_asked_wherever_the_artefact_goes(
    tflite_file: Path, tmp_path: Path, capsys: Captured, monkeypatch: Patch
) -> None:
    folder = _compile(tflite_file, "--keep-source")
    assert (folder / KEPT_FOLDER / "net.tflite").read_bytes() == tflite_file.read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.move(folder, elsewhere / "art")
    tflite_file.unlink()
    monkeypatch.chdir(elsewhere)
    code, said = _verify(elsewhere / "art", capsys)
    assert code == 0 and said["against_source"]["passed"]


def test_no_file_at_hand_is_said_with_the_remedy(
    tflite_file: Path, tmp_path: Path, capsys: Captured, monkeypatch: Patch
) -> None:
    folder = _compile(tflite_file)
    # Of the same name, but another file.
    tflite_file.write_bytes(b"another")
    monkeypatch.chdir(tmp_path)
    code, said = _verify(folder, capsys)
    assert code == 0 and said["against_source"] is None
    assert "--against-source" in said["not_against_source"]
    assert main(["verify", str(folder), "--random", "1"]) == 0
    assert "not checked: net.tflite is not at hand" in capsys.readouterr().out


def test_a_folder_is_searched_for_the_file_under_any_name(
    tflite_file: Path, tmp_path: Path, capsys: Captured
) -> None:
    folder = _compile(tflite_file)
    models = tmp_path / "models"
    models.mkdir()
    (models / "a.tflite").write_bytes(b"another")
    tflite_file.rename(models / "renamed.tflite")
    code, said = _verify(folder, capsys, "--against-source", str(models))
    assert code == 0 and said["against_source"]["passed"]


def test_another_file_is_refused(tflite_file: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = _compile(tflite_file)
    other = tmp_path / "other.tflite"
    other.write_bytes(b"another")
    for given, said in ((other, "was compiled from"), (tmp_path / "no.tflite", "no such file")):
        assert main(["verify", str(folder), "--against-source", str(given)]) == 1
        assert said in capsys.readouterr().err


def test_a_framework_that_is_not_installed_is_said_and_demanded_only_if_named(
    tflite_file: Path, capsys: Captured, monkeypatch: Patch
) -> None:
    folder = _compile(tflite_file, "--keep-source")
    monkeypatch.setattr(origin_module, "available", lambda file: False)
    code, said = _verify(folder, capsys)
    assert code == 0 and "pip install ai-edge-litert" in said["not_against_source"]
    assert main(["verify", str(folder), "--against-source", str(tflite_file)]) == 1
    assert "pip install ai-edge-litert" in capsys.readouterr().err


def test_a_network_made_by_its_name_has_no_file(tmp_path: Path, capsys: Captured) -> None:
    name = "mobilenetv2-0.35-96-int8"
    command = ["compile", name, "--target", "host", "-o", str(tmp_path / "art"), "--keep-source"]
    assert main(command) == 2
    assert "--keep-source" in capsys.readouterr().err
    entry = {"model": {"source": name, "sha256": "0" * 64}}
    manifest = decode(entry, "manifest.json", partial=True)
    found = find_origin(Artifact(tmp_path, manifest, load_target("host")))
    assert found.file is None and found.reason is not None and "no file" in found.reason


def test_a_network_in_memory_has_no_file_to_keep(tflite_file: Path, tmp_path: Path) -> None:
    network = edgemnv2.load(tflite_file)
    with pytest.raises(UsageError, match="keep_source=True: net is in memory"):
        edgemnv2.compile(network, "host", tmp_path / "art", keep_source=True)
    assert not (tmp_path / "art").exists()


def test_the_artefact_knows_the_files_tensors_and_no_path(tflite_file: Path) -> None:
    folder = _compile(tflite_file)
    record = json.loads((folder / "reference" / "source.json").read_text())
    assert record["file"] == "net.tflite" and record["format"] == "tflite"
    assert record["sha256"] == load_artifact(folder).manifest.model.sha256
    assert str(tflite_file.parent) not in (folder / "reference" / "source.json").read_text()
    graph = load_graph(folder / "reference")
    assert graph.origins == record["origins"]
    # Every layer but those that only we have.
    assert {layer.output for layer in graph.layers} <= set(graph.origins)


def test_an_artefact_without_the_record_still_loads(tflite_file: Path) -> None:
    reference = _compile(tflite_file) / "reference"
    (reference / "source.json").unlink()
    assert load_graph(reference).origins == {}
