"""The built-in trained models `digits` and `digits-int8`: MobileNetV2 0.35, 32x32, one channel.

`digits.onnx` (float32, opset 17, input `input` [1, 1, 32, 32], output `logits` [1, 10]) was trained
by `train_digits.py` on the first 1437 of the 1797 handwritten digits that ship inside scikit-learn
(UCI "Optical Recognition of Handwritten Digits", 8x8 pixels of 0..16). The last 360, in the data
set's own order, are held out: `digits_heldout.npz` has all of them, as 8x8 pixels, and
`digits_images/` twelve as PNG files of the network's size with a `labels.csv`.

A pixel 0..255 (bright ink on dark ground) enters as `pixel / 127.5 - 1`, the preset `keras`.

`digits_int8.onnx` is the same network in int8 (ONNX QDQ, int8 input and output), made by
`quantize_digits.py`. A pixel enters as `pixel - 128`, the preset `raw`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CLASSES",
    "HELDOUT",
    "IMAGES",
    "INT8_MODEL",
    "LABELS",
    "MODEL",
    "PREPROCESS",
    "RESOLUTION",
    "TRAINING_COUNT",
    "WIDTH",
    "enlarge",
    "heldout",
    "meaning",
]

WIDTH = 0.35
RESOLUTION = 32
CLASSES = 10
PREPROCESS = "keras"
LABELS = tuple(str(digit) for digit in range(CLASSES))
TRAINING_COUNT = 1437
"""Images of scikit-learn's digits, from the front, that were trained on; the rest is held out."""

_FOLDER = Path(__file__).resolve().parent / "data"
MODEL = _FOLDER / "digits.onnx"
INT8_MODEL = _FOLDER / "digits_int8.onnx"
IMAGES = _FOLDER / "digits_images"
HELDOUT = _FOLDER / "digits_heldout.npz"

_LEVELS = 16
"""scikit-learn's digits count the dark ones of 4x4 pixels: 0..16."""


def _bilinear(source: int, target: int) -> NDArray[np.int64]:
    """Weights `[target, source]`, each row adding up to `2 * target / source`."""
    unit = 2 * target // source
    weights = np.zeros((target, source), np.int64)
    for index in range(target):
        # Centre of the target pixel in units of 1/unit source pixels, from the first centre.
        position = min(max((2 * index + 1) - unit // 2, 0), unit * (source - 1))
        low, part = divmod(position, unit)
        weights[index, low] += unit - part
        if part:
            weights[index, low + 1] += part
    return weights


def enlarge(digits: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey images `[N, 32, 32]` of 0..255 from scikit-learn's `[N, 8, 8]` of 0..16.

    Bilinear in integers, halves up: the same bytes on every machine.
    """
    weights = _bilinear(digits.shape[-1], RESOLUTION)
    unit = int(weights[0].sum())
    scaled = weights @ digits.astype(np.int64) @ weights.T * 255
    whole = unit * unit * _LEVELS
    return ((scaled + whole // 2) // whole).astype(np.uint8)


def heldout() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All held-out images `[360, 32, 32, 1]` as 0..255, and their classes `[360]`."""
    with np.load(HELDOUT) as stored:
        return enlarge(stored["digits"])[..., np.newaxis], stored["labels"].astype(np.int64)


def meaning(preprocess: str) -> dict[str, str]:
    """The metadata of a model file that says its labels, and the preset that its pixels want."""
    return {"edgemnv2": json.dumps({"labels": LABELS, "preprocess": preprocess})}
