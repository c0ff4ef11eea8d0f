"""`load_model`: files, built-in names, and what is neither."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgemnv2.frontend as frontend
from edgemnv2.errors import ModelError
from edgemnv2.frontend import built_in_names, integer_twin, load_model


def message(source: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_missing_file_is_named() -> None:
    assert message("nowhere/m.onnx") == (
        "nowhere/m.onnx: no such file; give a .onnx, .tflite, .keras or .h5 file or a built-in name"
    )


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("m.pt", "torch.onnx.export(network, example, 'model.onnx') makes an .onnx of it"),
        ("m.pb", "tf.lite.TFLiteConverter makes a .tflite of it"),
        ("m.bin", "export the model to one of them"),
    ],
)
def test_another_kind_of_file_is_refused(name: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"x")
    assert message(path) == (
        f"{name}: unknown kind of model file (must end in .onnx, .tflite, .keras, .h5, .zip); "
        f"{remedy}"
    )


@pytest.mark.parametrize(
    ("folder", "file", "remedy"),
    [
        ("net", "manifest.json", "this is an artefact, which verify, run, bench and report take"),
        ("m", "saved_model.pb", "tf.lite.TFLiteConverter makes a .tflite of this SavedModel"),
        ("m.tflite", "x", "give a file in it that ends in .onnx, .tflite, .keras, .h5, .zip"),
    ],
)
def test_a_folder_is_no_model(folder: str, file: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / folder
    path.mkdir()
    (path / file).touch()
    assert message(path) == f"{path}: a folder, not a model file; {remedy}"


def test_nothing_is_downloaded() -> None:
    assert message("https://x.y/m.tflite") == (
        "https://x.y/m.tflite: an address, not a file; download it and give the file"
    )


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mobilenet-1.0-224", "mobilenetv2-1.0-224"),
        ("mobilenetv2_1.0_224", "mobilenetv2-1.0-224"),
        ("mobilenetv2-0.35-96-int16", "mobilenetv2-0.35-96-int8"),
        ("digit", "digits"),
    ],
)
def test_an_unknown_name_gets_the_nearest_one(name: str, near: str) -> None:
    assert message(name) == (
        f"{name}: neither a model file (.onnx, .tflite, .keras, .h5) nor a built-in name "
        f"('mobilenetv2-<width>-<resolution>[-int8]', 'digits[-int8]', "
        "'digits-detector[-int8]', 'digits-segmenter[-int8]', "
        "'ssdlite-mobilenetv2-320[-int8]', 'deeplabv3-mobilenetv2-513[-int8]'); "
        f"did you mean {near!r}?"
    )


def test_a_name_like_no_other_gets_an_example() -> None:
    assert message("xyz").endswith("; for example 'mobilenetv2-1.0-224'")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mobilenetv2-9-224", "width 9 is out of range (must be 0.05 to 4)"),
        ("mobilenetv2-1.0-8", "resolution 8 is out of range (must be 32 to 1024)"),
    ],
)
def test_sizes_out_of_range_are_refused(name: str, expected: str) -> None:
    assert message(name) == f"{name}: {expected}"


@pytest.mark.parametrize(
    ("name", "file"), [("digits", "digits.onnx"), ("digits-int8", "digits_int8.onnx")]
)
def test_missing_digits_are_a_broken_installation(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frontend, "MODELS", tmp_path)
    assert message(name) == (
        f"{name}: the trained model is missing from this installation "
        f"(edgemnv2/samples/data/{file}); install the package again"
    )


@pytest.mark.parametrize(
    ("source", "twin"),
    [
        ("digits", "digits-int8"),
        ("digits-int8", "digits-int8"),
        ("mobilenetv2-1.0-224", "mobilenetv2-1.0-224"),
        (Path("digits.onnx"), Path("digits.onnx")),
    ],
)
def test_only_the_digits_have_an_integer_twin(source: str | Path, twin: str | Path) -> None:
    assert integer_twin(source) == twin


def test_names_cover_the_published_networks() -> None:
    names = built_in_names()
    assert len(names) == len(set(names)) == 3 * 2 + 5 * 5 * 2 + (1 + 2 * 2) * 2
    published = {"mobilenetv2-0.35-96", "mobilenetv2-1.4-224-int8", "ssdlite-mobilenetv2-320"}
    published |= {"deeplabv3-mobilenetv2-513", "deeplabv3-mobilenetv2-513-os8-aspp-int8"}
    assert {"digits", "digits-int8"} | published <= set(names)
