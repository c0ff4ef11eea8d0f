"""Answers on pictures: where the ink goes, on light and dark ground, from small to large."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from edgemnv2.runtime.vision.decode import Answer, Centroid, Detection, Scored
from edgemnv2.runtime.vision.draw import colour, drawn
from edgemnv2.runtime.vision.geometry import placed

SIZES = ((96, 96), (640, 427), (427, 640), (1920, 1080))
NAMES = {0: "cat", 1: "dog", 2: "a label that is so long that it does not fit into any picture" * 3}


def ground(size: tuple[int, int], light: bool) -> Image.Image:
    return Image.new("RGB", size, (250, 250, 250) if light else (4, 4, 4))


@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_a_box_is_drawn_where_it_is_and_nowhere_else(size: tuple[int, int], light: bool) -> None:
    picture = ground(size, light)
    place = placed(*size, (96, 96), "letterbox")
    # The middle of the picture, in shares of the window.
    width, height = size
    times = max(1, -(-480 // max(size)))
    box = (0.4, 0.4, 0.6, 0.6)
    answer = Answer("detector", detections=(Detection(*box, 1, 0.9),))
    page = np.asarray(drawn(picture, answer, NAMES, place)).astype(int)
    assert page.shape == (height * times, width * times, 3)
    changed = np.abs(page - np.asarray(picture)[0, 0]).sum(axis=2) > 60
    top, left, bottom, right = (round(x * times) for x in place.box_to_picture(box))
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert abs(rows[-1] - bottom) <= 3 and abs(columns[0] - left) <= 3
    # The frame has the class's colour, and the middle is as it was.
    assert tuple(page[(top + bottom) // 2, left + 1 + 1]) == colour(1)
    assert not changed[(top + bottom) // 2, (left + right) // 2]


def test_a_letterboxed_mask_covers_its_pixels() -> None:
    picture = ground((200, 100), light=False)
    place = placed(200, 100, (64, 64), "letterbox")
    mask = np.zeros((64, 64), np.uint8)
    # The right half of the window, bars included.
    mask[:, 32:] = 1
    page = np.asarray(drawn(picture, Answer("segmenter", mask=mask), {}, place)).astype(int)
    bright = page.sum(axis=2) > 60
    height, width = bright.shape
    # The legend is at the upper left.
    assert bright[height // 2 :, width // 2 + 2 :].all()
    assert not bright[height // 2 :, : width // 2 - 2].any()


def test_a_centroid_has_a_ring_around_it() -> None:
    picture = ground((480, 480), light=True)
    place = placed(480, 480, (96, 96), "letterbox")
    found = Centroid(0.25, 0.75, 0.2, 0.7, 0.3, 0.8, 1, 0.8)
    page = drawn(picture, Answer("grid", centroids=(found,)), NAMES, place)
    assert page.getpixel((360, 120)) == colour(1)


@pytest.mark.parametrize("size", SIZES)
def test_bars_are_as_long_as_their_scores(size: tuple[int, int]) -> None:
    picture = ground(size, light=True)
    place = placed(*size, (96, 96), "crop")
    classes = tuple(Scored(i, score) for i, score in ((0, 0.75), (1, 0.2), (2, 0.05)))
    page = np.asarray(drawn(picture, Answer("classifier", classes=classes), NAMES, place))
    enlarged = size[1] * max(1, -(-480 // max(size)))
    assert page.shape[0] > enlarged
    # Below the picture there is nothing of it.
    assert page[enlarged + 2 :].mean() < 128


@pytest.mark.parametrize("kind", ["classifier", "detector", "grid", "segmenter", "embedding"])
def test_an_answer_of_nothing_is_drawn(kind: str) -> None:
    mask = np.zeros((8, 8), np.uint8) if kind == "segmenter" else None
    place = placed(32, 32, (8, 8), "letterbox")
    page = drawn(ground((32, 32), True), Answer(kind, mask=mask), {}, place, note="3 frames/s")
    assert page.mode == "RGB" and page.width == 480


def test_colours_of_neighbours_differ() -> None:
    for index in range(40):
        near = np.abs(np.subtract(colour(index), colour(index + 1)))
        assert near.max() > 60


def plates(page: np.ndarray, hue: tuple[int, int, int]) -> np.ndarray:
    """Where a plate lies: pixels of its colour with more of it on every side."""
    same = (page == hue).all(axis=2)
    return same[:-8, :-8] & same[8:, 8:] & same[8:, :-8] & same[:-8, 8:]


def test_no_tag_hides_another_where_there_is_room() -> None:
    """Boxes of one corner, as a detector has them for one thing, and others below one another."""
    picture = ground((960, 960), light=True)
    place = placed(960, 960, (96, 96), "letterbox")
    boxes = [(0.3, 0.3, 0.6, 0.6), (0.3, 0.3, 0.7, 0.7), (0.305, 0.31, 0.5, 0.9), (0.0, 0.0, 1, 1)]
    found = tuple(Detection(*box, index, 0.9) for index, box in enumerate(boxes))
    sizes = []
    for chosen in (*((one,) for one in found), found):
        page = np.asarray(drawn(picture, Answer("detector", detections=chosen), {}, place))
        sizes.append([int(plates(page, colour(one.index)).sum()) for one in chosen])
    alone, together = [size for (size,) in sizes[:-1]], sizes[-1]
    # Frames cross plates here and there; a plate below another one would be gone.
    assert all(now > 0.6 * before for now, before in zip(together, alone, strict=True))


@pytest.mark.parametrize("column", [0.005, 0.5, 0.995])
@pytest.mark.parametrize("row", [0.02, 0.5, 0.98])
def test_a_tag_covers_no_point_that_it_is_about(row: float, column: float) -> None:
    """At an edge it goes to the other side."""
    place = placed(480, 480, (96, 96), "letterbox")
    ends = (row - 0.05, column - 0.05, row + 0.05, column + 0.05)
    found = Centroid(row, column, *ends, 1, 0.9)
    page = drawn(ground((480, 480), True), Answer("grid", centroids=(found,)), NAMES, place)
    y, x = round(row * 480), round(column * 480)
    # The dot, and beside it the ground within the ring.
    assert page.getpixel((min(x, 479), y)) == colour(1)
    within = [x - 6, x + 6]
    assert all(page.getpixel((at, y)) == (250, 250, 250) for at in within if 0 <= at < 480)


def test_words_stand_out_from_every_plate() -> None:
    """A contrast of 4.5, as WCAG asks for small words."""

    def luminance(shade: tuple[int, ...]) -> float:
        parts = [x / 255 for x in shade]
        linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    place = placed(480, 480, (96, 96), "letterbox")
    for index in range(40):
        box = Answer("detector", detections=(Detection(0.4, 0.1, 0.9, 0.9, index, 0.9),))
        page = drawn(ground((480, 480), True), box, {index: "M" * 9}, place)
        # The strip above the box has the plate's colour and the words' alone, and mixtures.
        plate = page.crop((52, 175, 120, 190)).getcolors(9999) or []
        seen = [luminance(shade) for _, shade in plate if isinstance(shade, tuple)]
        assert (max(seen) + 0.05) / (min(seen) + 0.05) > 4.5, index


def test_tags_stay_inside_the_picture() -> None:
    picture = ground((480, 480), light=True)
    place = placed(480, 480, (96, 96), "letterbox")
    corners = [(0.0, 0.0, 0.02, 0.02), (0.98, 0.98, 1, 1), (0.98, 0.0, 1, 0.02), (0, 0.98, 0.02, 1)]
    for number, (top, left, bottom, right) in enumerate(corners):
        box = Detection(top, left, bottom, right, number, 0.9)
        point = Centroid(top, left, top, left, bottom, right, number, 0.9)
        for answer in (
            Answer("detector", detections=(box,)),
            Answer("grid", centroids=(point,)),
        ):
            page = np.asarray(drawn(picture, answer, {number: "a long name"}, place))
            rows, columns = np.nonzero(plates(page, colour(number)))
            assert np.ptp(columns) > 60 and np.ptp(rows) > 5, answer


def test_a_legend_cuts_names_that_are_longer_than_the_picture() -> None:
    picture = ground((480, 480), light=True)
    place = placed(480, 480, (8, 8), "letterbox")
    mask = np.full((8, 8), 2, np.uint8)
    page = np.asarray(drawn(picture, Answer("segmenter", mask=mask), NAMES, place))
    # The share stands at the end of the plate, whole, a gap in front of it.
    bright = (page[:24] > 200).all(axis=2).any(axis=0)
    ends = np.flatnonzero(bright)
    assert 8 < len(bright) - ends[-1] < 16
    assert np.diff(ends).max() > 12


def test_a_similarity_of_a_little_more_than_one_is_one() -> None:
    picture, place = ground((480, 480), light=True), placed(480, 480, (8, 8), "letterbox")
    answer = Answer("embedding", embedding=np.ones(4, np.float32))
    pages = [
        np.asarray(drawn(picture, answer, {}, place, neighbours=[("one", near)]))
        for near in (1.0, 1.0 + 2e-7)
    ]
    np.testing.assert_array_equal(*pages)
