"""Canvases: the same bytes everywhere, digits where the boxes and the mask say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from edgemnv2.samples.canvases import SIZE, canvas, heldout_canvases
from edgemnv2.samples.digits import MODEL, heldout

KNOWN = "47cf47eef003229f"
"""Of the first 20: pixels, classes, boxes and masks."""


def test_the_held_out_canvases_are_the_same_bytes_on_every_machine() -> None:
    found = hashlib.sha256()
    for one in heldout_canvases(20):
        for array in (one.pixels, one.classes, one.boxes, one.mask):
            found.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    assert found.hexdigest()[:16] == KNOWN


def test_the_png_files_are_the_first_held_out_canvases() -> None:
    files = sorted((MODEL.parent / "canvases").glob("*.png"))
    assert len(files) == 4
    for file, one in zip(files, heldout_canvases(4), strict=True):
        with Image.open(file) as image:
            np.testing.assert_array_equal(np.asarray(image), one.pixels)


def test_more_canvases_begin_with_the_same_ones() -> None:
    a, b = heldout_canvases(3), heldout_canvases(5)
    for one, other in zip(a, b, strict=False):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_boxes_and_masks_are_of_the_same_digits() -> None:
    seen = set()
    for one in heldout_canvases(40):
        assert one.pixels.shape == (SIZE, SIZE, 3)
        assert len(one.classes) == len(one.boxes) >= 1
        left = one.mask.copy()
        for index, box in zip(one.classes, one.boxes, strict=True):
            top, start, bottom, end = (round(float(x) * SIZE) for x in box)
            inside = one.mask[top:bottom, start:end]
            # The box is tight: its edges have ink, and nothing of another digit is in it.
            assert set(np.unique(inside)) <= {0, index + 1}
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert (edge == index + 1).any()
            left[top:bottom, start:end] = 0
            seen.add(int(index))
        assert not left.any()
    assert seen == set(range(10))


@pytest.mark.parametrize("seed", [1, 2])
def test_ink_stands_out_from_the_ground(seed: int) -> None:
    images, labels = heldout()
    one = canvas(images[..., 0], labels, seed)
    grey = one.pixels.mean(axis=2)
    assert abs(grey[one.mask > 0].mean() - grey[one.mask == 0].mean()) > 20
