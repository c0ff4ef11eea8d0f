"""Answers drawn on the picture that they are about: boxes, bars, a mask, centroids, neighbours."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["colour", "drawn"]

Colour = tuple[int, int, int]
LEAST_SIDE = 480
"""A smaller picture is enlarged by a whole factor first, so that words can be read."""
GOLDEN = 0.618033988749895
"""Hues this far apart stay apart, however many there are."""
SHADE, PAPER, INK = (16, 18, 22), (255, 255, 255), (12, 12, 14)
MASK_SHARE = 0.55
SHOWN = 5
"""Bars at most; classes in a legend are all that there are, up to `LEGEND`."""
LEGEND = 12


def colour(index: int) -> Colour:
    """The colour of a class: bright, and unlike that of its neighbours."""
    hue = (0.08 + index * GOLDEN) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.72, 0.98)
    return round(red * 255), round(green * 255), round(blue * 255)


def drawn(
    picture: Image.Image,
    answer: Any,
    names: Mapping[int, str],
    placement: Any,
    *,
    neighbours: Sequence[tuple[str, float]] = (),
    note: str = "",
) -> Image.Image:
    """The picture with `answer` (of `decode`) on it, RGB, at its own size or enlarged.

    `names` has the words for classes, else their numbers; `placement` (of `geometry`) leads back
    to the picture; `neighbours` are names and similarities of an embedding; `note` goes to a
    corner.
    """
    page = _Page(picture, placement, names)
    if answer.mask is not None:
        page.mask(answer.mask)
    # The surest is drawn last, on top.
    for found in reversed(answer.detections):
        page.box(found)
    for found in reversed(answer.centroids):
        page.centroid(found)
    if answer.kind == "classifier":
        bars = [(page.name(x.index), x.score, colour(x.index)) for x in answer.classes[:SHOWN]]
        page.bars(bars or [("nothing above the threshold", 0.0, SHADE)])
    elif neighbours:
        page.bars([(name, score, colour(i)) for i, (name, score) in enumerate(neighbours[:SHOWN])])
    elif answer.kind in ("detector", "grid") and not answer.detections and not answer.centroids:
        page.corner("nothing found", bottom=True)
    if note:
        page.corner(note)
    return page.image


class _Page:
    """The picture, as large as is drawn on, and a pen of a width that suits it."""

    def __init__(self, picture: Image.Image, placement: Any, names: Mapping[int, str]) -> None:
        self.times = max(1, -(-LEAST_SIDE // max(picture.size)))
        size = picture.width * self.times, picture.height * self.times
        self.image = picture.convert("RGB").resize(size, Image.Resampling.NEAREST)
        self.placement, self.names = placement, names
        self.pen = ImageDraw.Draw(self.image)
        side = min(size)
        self.width = max(2, round(side / 160))
        self.text_size = max(12, min(round(side / 26), 40))
        self.font = ImageFont.load_default(self.text_size)

    def name(self, index: int) -> str:
        """The word for a class."""
        return self.names.get(index) or str(index)

    def box(self, found: Any) -> None:
        """A frame with the class and its score above it, or inside where there is no room."""
        top, left, bottom, right = self._scaled(
            self.placement.box_to_picture((found.top, found.left, found.bottom, found.right))
        )
        hue = colour(found.index)
        ends = left, top, max(right, left + 1), max(bottom, top + 1)
        # A dark line around the bright one shows on light ground, too.
        self.pen.rectangle(ends, outline=INK, width=self.width + 2)
        inner = left + 1, top + 1, max(ends[2] - 1, left + 1), max(ends[3] - 1, top + 1)
        self.pen.rectangle(inner, outline=hue, width=self.width)
        self._tag(f"{self.name(found.index)} {found.score:.0%}", left, top, hue)

    def centroid(self, found: Any) -> None:
        """A ring with a point in it, and the class beside."""
        y, x = self.placement.to_picture(found.y, found.x)
        y, x = y * self.times, x * self.times
        radius = self.text_size * 0.75
        hue = colour(found.index)
        for grown, shade in ((1, INK), (0, hue)):
            reach = radius + grown
            ends = x - reach, y - reach, x + reach, y + reach
            self.pen.ellipse(ends, outline=shade, width=self.width + 2 * grown)
        dot = self.width * 1.2
        self.pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=hue)
        self._tag(f"{self.name(found.index)} {found.score:.0%}", x + radius + 2, y, hue)

    def mask(self, classes: np.ndarray[Any, Any]) -> None:
        """Each class in its colour, half transparent, and a legend of those that are there.

        Class 0 is left as it is where it has no name of its own, or is called background.
        """
        present, counts = np.unique(classes, return_counts=True)
        plain = self.names.get(0, "background").lower() in ("", "0", "background", "???")
        palette = np.array([colour(int(i)) for i in range(int(classes.max()) + 1)], np.uint8)
        place = self.placement
        window = Image.fromarray(palette[classes]).resize(place.window, Image.Resampling.NEAREST)
        shown = Image.fromarray(np.where((classes == 0) & plain, 0, 255).astype(np.uint8))
        cover = shown.resize(place.window, Image.Resampling.NEAREST)
        # The window of the network, laid over the resized picture, then at the picture's size.
        whole, alpha = Image.new("RGB", place.resized), Image.new("L", place.resized)
        whole.paste(window, (place.left, place.top))
        alpha.paste(cover, (place.left, place.top))
        whole = whole.resize(self.image.size, Image.Resampling.NEAREST)
        alpha = alpha.resize(self.image.size, Image.Resampling.NEAREST)
        alpha = alpha.point([round(v * MASK_SHARE) for v in range(256)])
        self.image.paste(whole, (0, 0), alpha)
        shares = sorted(zip(counts.tolist(), present.tolist(), strict=True), reverse=True)
        rows = [
            (f"{self.name(i)} {_share(count / classes.size)}", colour(i))
            for count, i in shares
            if not (plain and i == 0)
        ]
        self._legend(rows[:LEGEND] or [("background alone", SHADE)])

    def bars(self, rows: Sequence[tuple[str, float, Colour]]) -> None:
        """A panel at the lower edge: a bar for each, as long as its score, and words on it."""
        line = round(self.text_size * 1.5)
        pad = self.text_size // 2
        height = line * len(rows) + 2 * pad
        grown = Image.new("RGB", (self.image.width, self.image.height + height), SHADE)
        grown.paste(self.image, (0, 0))
        top = self.image.height + pad
        self.image = grown
        self.pen = ImageDraw.Draw(grown)
        room = grown.width - 2 * pad
        for index, (words, score, hue) in enumerate(rows):
            y = top + index * line
            length = max(0.0, min(score, 1.0)) * room
            base = (pad, y, pad + room, y + line - 3)
            self.pen.rectangle(base, fill=tuple(c // 5 + 12 for c in hue))
            if length >= 1:
                self.pen.rectangle((pad, y, pad + length, y + line - 3), fill=_dimmed(hue))
            middle = y + (line - 3) / 2
            number = f"{score:.1%}" if abs(score) <= 1 else f"{score:.3g}"
            taken = self.pen.textlength(number, self.font)
            self._words(pad * 1.5, middle, words, room - taken - 2 * pad)
            self._words(pad + room - taken - pad / 2, middle, number, taken + pad)

    def corner(self, words: str, bottom: bool = False) -> None:
        """Words on a dark plate in the right upper corner, or at the lower edge on the left."""
        box = self.pen.textbbox((0, 0), words, self.font)
        pad = self.text_size // 3
        wide, high = box[2] + 2 * pad, box[3] + 2 * pad
        left = 0 if bottom else self.image.width - wide
        top = self.image.height - high if bottom else 0
        self.pen.rectangle((left, top, left + wide, top + high), fill=SHADE)
        self.pen.text((left + pad, top + pad), words, PAPER, self.font)

    def _legend(self, rows: Sequence[tuple[str, Colour]]) -> None:
        line, pad = round(self.text_size * 1.35), self.text_size // 2
        wide = max(self.pen.textlength(words, self.font) for words, _ in rows)
        block = self.text_size
        ends = (0, 0, wide + block + 3 * pad, line * len(rows) + pad)
        self.pen.rectangle(ends, fill=SHADE)
        for index, (words, hue) in enumerate(rows):
            y = pad / 2 + index * line
            self.pen.rectangle(
                (pad, y + (line - block) / 2, pad + block, y + (line + block) / 2), fill=hue
            )
            self._words(2 * pad + block, y + line / 2, words, wide + 1)

    def _tag(self, words: str, left: float, y: float, hue: Colour) -> None:
        """Dark words on a plate of the colour, its lower edge at `y`, kept inside the picture."""
        pad = max(2, self.text_size // 6)
        wide = self.pen.textlength(words, self.font) + 2 * pad
        high = self.text_size * 1.25
        left = max(0.0, min(left, self.image.width - wide))
        top = y - high if y >= high else y
        top = max(0.0, min(top, self.image.height - high))
        self.pen.rectangle((left, top, left + wide, top + high), fill=hue)
        self.pen.text((left + pad, top + high / 2), words, INK, self.font, anchor="lm")

    def _words(self, x: float, middle: float, words: str, room: float) -> None:
        """Light words, cut to the room that there is."""
        while len(words) > 1 and self.pen.textlength(words, self.font) > room:
            words = words[:-2] + "…"
        self.pen.text((x, middle), words, PAPER, self.font, anchor="lm")

    def _scaled(self, ends: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(end * self.times for end in ends)


def _share(part: float) -> str:
    """In whole percent, but nothing that is there is 0 %."""
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _dimmed(hue: Colour) -> Colour:
    """Dark enough for light words on it."""
    return hue[0] * 5 // 9, hue[1] * 5 // 9, hue[2] * 5 // 9
