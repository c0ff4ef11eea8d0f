"""ONNX's files beside onnxruntime, rounded twice and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgemnv2.frontend import load_model
from edgemnv2.lab import rounding_results
from edgemnv2.lab.rounding_results import measure_rounding, rounded_twice, rounding_table
from edgemnv2.passes import lower
from tests.frontend.tiny_mobilenet_tflite import TinyMobilenet
from tests.lab.test_layer_errors import power_of_two

pytest.importorskip("onnxruntime")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One file whose sums meet halves, one that is no integer network of ONNX, no shared data."""
    (tmp_path / "halves.onnx").write_bytes(power_of_two())
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    monkeypatch.setattr(rounding_results, "DATA", tmp_path / "absent")
    monkeypatch.setattr(rounding_results, "TARGETS", ("mps2-an386",))
    return tmp_path


def test_two_roundings_differ_and_one_does_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounding_results, "_instructions", lambda graph, target: 12_345_678.0)
    (row,) = measure_rounding(lambda text: None, folder)
    assert row["file"] == "halves" and row["factors"] >= 5
    assert row["before"]["different"] > 50 * max(row["after"]["different"], 1)
    assert row["after"]["largest"] <= 1
    line = rounding_table([row])[-1]
    assert line.startswith(f"| halves | {row['layers']} | {row['values']} | ")
    assert line.endswith(" | 12.35, 12.35 |")


def test_instructions_are_of_both_networks(
    folder: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("qemu-system-arm")
    require_tool("arm-none-eabi-gcc")
    (row,) = measure_rounding(lambda text: None, folder)
    counts = [row[when]["instructions"]["mps2-an386"] for when in ("before", "after")]
    assert all(10_000 < count < 10_000_000 for count in counts)


def test_factors_below_tflites_are_shifted_up_to_them(folder: Path) -> None:
    graph = lower(load_model(folder / "halves.onnx"))
    for before, after in zip(graph.layers, rounded_twice(graph).layers, strict=True):
        factor = getattr(before, "requantize", None)
        if factor is None:
            continue
        twice = after.requantize  # type: ignore[attr-defined]
        assert twice.rounding == "twice" and twice.addend is None
        assert ((twice.multiplier >= 1 << 30) | (twice.multiplier == 0)).all()
        real = [x.multiplier * 2.0**x.shift for x in (factor, twice)]
        assert np.array_equal(*real)


def test_tflites_networks_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(TinyMobilenet().build())
    graph = lower(load_model(path))
    assert all(a is b for a, b in zip(graph.layers, rounded_twice(graph).layers, strict=True))
