"""Figures of the built-in detector and segmenter: what counts, and how good they are."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edgemnv2.frontend import MODELS, TRAINED
from edgemnv2.lab.canvas_results import answers_of
from edgemnv2.lab.canvas_scores import box_scores, mask_iou
from edgemnv2.pipeline import lower_source
from edgemnv2.runtime.vision.decode import Answer, Detection
from edgemnv2.samples.canvases import Canvas, heldout_canvases
from edgemnv2.samples.digit_samples import CANVASES

COUNT = 100
MOST_BYTES = 1 << 20
"""Of the files together."""


@cache
def answers(name: str) -> tuple[Answer, ...]:
    return tuple(answers_of(lower_source(name), COUNT))


def f1(name: str) -> float:
    return box_scores([x.detections for x in answers(name)], heldout_canvases(COUNT))[2]


def test_the_detector_finds_the_digits() -> None:
    assert f1("digits-detector") >= 0.95


def test_the_int8_detector_is_as_good() -> None:
    assert abs(f1("digits-detector-int8") - f1("digits-detector")) <= 0.01


def iou(name: str) -> tuple[float, float]:
    masks = [x.mask for x in answers(name) if x.mask is not None]
    return mask_iou(masks, heldout_canvases(COUNT))


def test_the_segmenter_is_far_above_background_alone() -> None:
    share, trivial = iou("digits-segmenter")
    assert share >= 0.6 and share > 4 * trivial


def test_the_int8_segmenter_is_as_good() -> None:
    assert abs(iou("digits-segmenter-int8")[0] - iou("digits-segmenter")[0]) <= 0.02


def test_the_files_are_small() -> None:
    assert sum((MODELS / TRAINED[name]).stat().st_size for name in CANVASES) < MOST_BYTES


def one_digit(index: int = 3) -> Canvas:
    mask = np.zeros((96, 96), np.uint8)
    mask[24:48, 24:48] = index + 1
    box = np.array([[0.25, 0.25, 0.5, 0.5]], np.float32)
    return Canvas(np.zeros((96, 96, 3), np.uint8), np.array([index]), box, mask)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], (0.0, 0.0, 0.0)),
        ([Detection(0.25, 0.25, 0.5, 0.5, 3, 0.9)], (1.0, 1.0, 1.0)),
        # Another class, too little overlap, and the same digit twice.
        ([Detection(0.25, 0.25, 0.5, 0.5, 4, 0.9)], (0.0, 0.0, 0.0)),
        ([Detection(0.25, 0.25, 0.5, 0.37, 3, 0.9)], (0.0, 0.0, 0.0)),
        ([Detection(0.25, 0.25, 0.5, 0.5, 3, s) for s in (0.9, 0.8)], (0.5, 1.0, 2 / 3)),
    ],
)
def test_what_counts_as_found(found: list[Detection], expected: tuple[float, float, float]) -> None:
    assert box_scores([found], [one_digit()]) == pytest.approx(expected)


def test_the_mean_over_the_classes_that_there_are() -> None:
    canvas = one_digit()
    whole, trivial = mask_iou([canvas.mask], [canvas])
    assert whole == 1.0
    background = 1 - 24 * 24 / 96**2
    assert trivial == pytest.approx(background / 2)
