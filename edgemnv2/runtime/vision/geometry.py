"""Where a picture of any size lies in the network's input, and the way back."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BAR", "Placement", "placed"]

BAR = 128
"""What is left and right, or above and below, of a letterboxed picture: the middle of a byte."""
# Evaluation images are resized to 256 on the shorter side for a crop of 224.
RESIZE_NUMERATOR, RESIZE_DENOMINATOR = 256, 224


@dataclass(frozen=True)
class Placement:
    """A picture of `height` x `width` is resized to `resized` (width, height); the network sees
    `window` (width, height) of it from (`left`, `top`) on, which is negative beside bars."""

    width: int
    height: int
    resized: tuple[int, int]
    window: tuple[int, int]
    left: int
    top: int

    def to_picture(self, y: float, x: float) -> tuple[float, float]:
        """A point of the window, as shares of it, in pixels of the picture."""
        across = (x * self.window[0] + self.left) / self.resized[0] * self.width
        down = (y * self.window[1] + self.top) / self.resized[1] * self.height
        return down, across

    def box_to_picture(
        self, box: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        """(top, left, bottom, right) of the window as shares, in pixels of the picture, inside."""
        top, left = self.to_picture(box[0], box[1])
        bottom, right = self.to_picture(box[2], box[3])
        return (
            min(max(top, 0.0), float(self.height)),
            min(max(left, 0.0), float(self.width)),
            min(max(bottom, 0.0), float(self.height)),
            min(max(right, 0.0), float(self.width)),
        )


def placed(width: int, height: int, window: tuple[int, int], fit: str) -> Placement:
    """The place of a picture in a `window` (width, height).

    `fit` "crop": its shorter side becomes 256/224 of the window's, and the middle counts;
    "letterbox": all of it, with bars; "stretch": all of it, its aspect changed. A picture of the
    window's size is taken as it is.
    """
    wide, high = window
    if (width, height) == window or fit == "stretch":
        return Placement(width, height, window, window, 0, 0)
    if fit == "letterbox":
        scale = min(high / height, wide / width)
    else:
        scale = max(high / height, wide / width) * (RESIZE_NUMERATOR / RESIZE_DENOMINATOR)
    resized = max(1, round(width * scale)), max(1, round(height * scale))
    # Halves are dropped: of a crop and of a bar alike, the smaller part comes first.
    left, top = (_half(a - b) for a, b in zip(resized, window, strict=True))
    return Placement(width, height, resized, window, left, top)


def _half(difference: int) -> int:
    return difference // 2 if difference >= 0 else -(-difference // 2)
