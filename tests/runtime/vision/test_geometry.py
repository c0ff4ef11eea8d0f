"""Where a picture lies in the network's input, and back."""

from __future__ import annotations

import pytest

from edgemnv2.runtime.vision.geometry import placed

WINDOW = (96, 64)


@pytest.mark.parametrize("fit", ["crop", "letterbox", "stretch"])
@pytest.mark.parametrize("size", [(96, 64), (640, 480), (480, 640), (1920, 40), (3, 5), (97, 64)])
def test_the_way_back_is_the_inverse(size: tuple[int, int], fit: str) -> None:
    place = placed(*size, WINDOW, fit)
    width, height = size
    for y, x in ((0.0, 0.0), (0.25, 0.75), (1.0, 1.0)):
        down, across = place.to_picture(y, x)
        # The same point of the resized picture, seen from both sides.
        assert down / height * place.resized[1] == pytest.approx(y * WINDOW[1] + place.top)
        assert across / width * place.resized[0] == pytest.approx(x * WINDOW[0] + place.left)


def test_a_letterbox_shows_all_of_the_picture_and_a_crop_only_the_picture() -> None:
    whole = placed(640, 480, WINDOW, "letterbox")
    assert whole.resized == (85, 64)
    assert (whole.left, whole.top) == (-5, 0)
    part = placed(640, 480, WINDOW, "crop")
    assert part.resized[0] > WINDOW[0] and part.resized[1] > WINDOW[1]
    assert part.left > 0 and part.top > 0


def test_a_picture_of_the_windows_size_is_taken_as_it_is() -> None:
    for fit in ("crop", "letterbox", "stretch"):
        assert placed(*WINDOW, WINDOW, fit).resized == WINDOW


def test_boxes_stay_inside_the_picture() -> None:
    place = placed(640, 480, WINDOW, "letterbox")
    assert place.box_to_picture((-0.5, -0.5, 1.5, 1.5)) == (0.0, 0.0, 480.0, 640.0)
