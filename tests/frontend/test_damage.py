"""Bytes that a disk or a network changed never give a traceback."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgemnv2.errors import ModelError
from edgemnv2.frontend import load_model
from edgemnv2.frontend.damage import reading
from edgemnv2.passes import lower
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.frontend.tiny_onnx import TinyOnnx

FILES = {
    "tflite": lambda: TinyMobilenet().build(),
    "onnx": lambda: TinyOnnx().build().SerializeToString(),
}
CHANGED_FILES = 60


@pytest.mark.parametrize("suffix", FILES)
def test_changed_bytes_are_a_model_error_or_harmless(suffix: str, tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    original = FILES[suffix]()
    path = tmp_path / f"m.{suffix}"
    refused = 0
    for _ in range(CHANGED_FILES):
        data = np.frombuffer(original, np.uint8).copy()
        places = random.integers(0, len(data), random.integers(1, 6))
        data[places] = random.integers(0, 256, len(places))
        path.write_bytes(data.tobytes())
        try:
            lower(load_model(path))
        except ModelError as error:
            refused += 1
            assert str(error).startswith("m.")
    assert 0 < refused <= CHANGED_FILES


def test_a_symptom_becomes_one_line_with_the_size() -> None:
    with pytest.raises(ModelError) as caught, reading("m.onnx", 12):
        raise KeyError("x")
    assert str(caught.value) == (
        "m.onnx: the file is damaged or truncated (12 bytes): its parts contradict each other "
        "(KeyError); download or export it again"
    )


def test_an_error_of_ours_passes_through() -> None:
    with pytest.raises(ModelError, match="ours"), reading("m.onnx", 12):
        raise ModelError("ours")
