"""The importer says whose arithmetic a network has; no name decides it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.samples import digits


@pytest.mark.parametrize(
    ("name", "format"),
    [("digits", "onnx"), ("digits-int8", "onnx"), ("mobilenetv2-0.35-96-int8", "tflite")],
)
def test_built_in_networks_have_the_format_of_their_arithmetic(name: str, format: str) -> None:
    assert load_model(name).format == format


def test_by_name_and_by_path_the_layers_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "of_another_name.onnx"
    shutil.copy(digits.INT8_MODEL, path)
    by_name, by_path = lower(load_model("digits-int8")), lower(load_model(path))
    assert len(by_name.layers) == len(by_path.layers) > 10
    for ours, theirs in zip(by_name.layers, by_path.layers, strict=True):
        assert type(ours) is type(theirs)
        for field in ("weight", "bias"):
            if hasattr(ours, field):
                assert (getattr(ours, field) == getattr(theirs, field)).all(), ours.name
        factors = [getattr(x, "requantize", None) for x in (ours, theirs)]
        if factors[0] is not None and factors[1] is not None:
            assert (factors[0].multiplier == factors[1].multiplier).all()
            assert factors[0].single_rounding == factors[1].single_rounding
