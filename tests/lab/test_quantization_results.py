"""The quantiser's table, and the crops that some of its rows are calibrated on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edgemnv2.frontend import load_model
from edgemnv2.lab.quantization_results import quantization_table, random_crops
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower

LEVEL_SLACK = 2
"""Of 255: what resizing a ramp may go beyond its ends."""


def row(**changes: Any) -> dict[str, Any]:
    figures = {"top1": 82.0, "top5": 96.0, "agreement": 95.25}
    return {
        "calibration": "20 photographs",
        "weights": "channel",
        "top1_float": 82.25,
        "ours": figures,
        "onnxruntime": figures | {"top1": 80.5, "agreement": 90.0},
        "same_without_labels": True,
    } | changes


def test_ours_stands_beside_onnxruntimes() -> None:
    assert quantization_table([row()])[-1] == (
        "| 20 photographs | channel | 82.25 % | **82.00 %**, the same file | 95.25 % "
        "| 80.50 %, 90.00 % |"
    )


def test_a_file_that_labels_change_is_no_row() -> None:
    with pytest.raises(AssertionError):
        quantization_table([row(same_without_labels=False)])


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(load_model("mobilenetv2-0.35-96"))


def test_crops_are_parts_of_the_picture_and_seeded(graph: Graph, tmp_path: Path) -> None:
    levels = np.linspace(40, 200, 160).astype(np.uint8)[np.newaxis, :, np.newaxis]
    ramp = np.ascontiguousarray(np.broadcast_to(levels, (120, 160, 3)))
    for name in ("a.png", "b.png"):
        Image.fromarray(ramp).save(tmp_path / name)
    names = ["a.png", "b.png"]
    crops = random_crops(tmp_path, names, graph, "raw", 3)
    assert crops.shape == (2, *graph.tensors[graph.inputs[0]].shape)
    assert crops.min() >= 40 - LEVEL_SLACK and crops.max() <= 200 + LEVEL_SLACK
    # Parts, each another one.
    assert all(np.ptp(crop) < 155 for crop in crops)
    assert not np.array_equal(crops[0], crops[1])
    np.testing.assert_array_equal(crops, random_crops(tmp_path, names, graph, "raw", 3))
    assert not np.array_equal(crops, random_crops(tmp_path, names, graph, "raw", 4))
