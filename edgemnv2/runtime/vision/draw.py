"""Answers drawn on the picture that they are about: boxes, bars, a mask, centroids, neighbours."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["colour", "drawn"]

Colour = tuple[int, int, int]
Beside = Callable[[Any, float, float], list[tuple[float, float]]]
LEAST_SIDE = 480
"""A smaller picture is enlarged by a whole factor first, so that words can be read."""
GOLDEN = 0.618033988749895
"""Hues this far apart stay apart, however many there are."""
SHADE, PAPER, INK = (16, 18, 22), (255, 255, 255), (12, 12, 14)
LIGHT = (0.2126, 0.7152, 0.0722)
"""What red, green and blue are of the luminance."""
HALF_LIGHT = 0.2
"""The luminance, with a gamma of two, that is as far from dark words as from light ones."""
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
    page.tags(answer.detections, page.beside_box)
    page.tags(answer.centroids, page.beside_point)
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
        """A frame."""
        left, top, right, bottom = ends = self._ends(found)
        hue = colour(found.index)
        # A dark line around the bright one shows on light ground, too.
        self.pen.rectangle(ends, outline=INK, width=self.width + 2)
        inner = left + 1, top + 1, max(right - 1, left + 1), max(bottom - 1, top + 1)
        self.pen.rectangle(inner, outline=hue, width=self.width)

    def centroid(self, found: Any) -> None:
        """A ring with a point in it."""
        y, x, radius = self._point(found)
        hue = colour(found.index)
        for grown, shade in ((1, INK), (0, hue)):
            reach = radius + grown
            ends = x - reach, y - reach, x + reach, y + reach
            self.pen.ellipse(ends, outline=shade, width=self.width + 2 * grown)
        dot = self.width * 1.2
        self.pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=hue)

    def tags(self, answers: Sequence[Any], beside: Beside) -> None:
        """The class and score of each, best first, where no better one has its own already.

        Words on a plate of the colour, inside the picture.
        """
        taken: list[tuple[float, float, float]] = []
        tags = []
        pad, high = max(2, self.text_size // 6), self.text_size * 1.25
        for found in answers:
            words = f"{self.name(found.index)}: {found.score:.0%}"
            wide = self.pen.textlength(words, self.font) + 2 * pad
            far, low = self.image.width - wide, self.image.height - high
            asked = beside(found, wide, high)
            # Those that fit as they are first: one that is moved may cover what it is about.
            places = [(x, y) for x, y in asked if 0 <= x <= far and 0 <= y <= low]
            places += [(max(0.0, min(x, far)), y) for x, y in asked if 0 <= y <= low]
            if not places:
                places = [(max(0.0, min(x, far)), max(0.0, min(y, low))) for x, y in asked]
            left, top = next((x for x in places if not _meets((*x, wide), taken, high)), places[0])
            taken.append((left, top, left + wide))
            tags.append((words, left, top, wide, colour(found.index)))
        # Where two lie on one another all the same, the better one is on top.
        for words, left, top, wide, hue in reversed(tags):
            self.pen.rectangle((left, top, left + wide, top + high), fill=hue)
            place = left + pad, top + high / 2
            self.pen.text(place, words, _ink_on(hue), self.font, anchor="lm")

    def beside_box(self, found: Any, wide: float, high: float) -> list[tuple[float, float]]:
        """Left and top of a plate of that size at a box: where it is looked for first, first."""
        left, top, right, bottom = self._ends(found)
        places = [(left, top - high), (left, top), (left, bottom), (left, bottom - high)]
        return [*places, (right - wide, top - high), (right - wide, bottom)]

    def beside_point(self, found: Any, wide: float, high: float) -> list[tuple[float, float]]:
        """The same at a centroid."""
        y, x, radius = self._point(found)
        right, left, middle = x + radius + 2, x - radius - 2 - wide, x - wide / 2
        places = [(right, y - high), (right, y), (left, y - high), (left, y)]
        return [*places, (middle, y + radius + 2), (middle, y - radius - 2 - high)]

    def _ends(self, found: Any) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a box on the page; never of no size."""
        top, left, bottom, right = self._scaled(
            self.placement.box_to_picture((found.top, found.left, found.bottom, found.right))
        )
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def _point(self, found: Any) -> tuple[float, float, float]:
        """Y and x of a centroid on the page, and the radius of its ring."""
        y, x = self.placement.to_picture(found.y, found.x)
        return y * self.times, x * self.times, self.text_size * 0.75

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
            (self.name(i), _share(count / classes.size), colour(i))
            for count, i in shares
            if not (plain and i == 0)
        ]
        self._legend(rows[:LEGEND] or [("background alone", "", SHADE)])

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
            # A similarity of floats is 1 and a little now and then.
            number = f"{score:.1%}" if abs(score) < 1.0005 else f"{score:.3g}"
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

    def _legend(self, rows: Sequence[tuple[str, str, Colour]]) -> None:
        """A colour, a name and a share in each row, the shares below one another."""
        line, pad = round(self.text_size * 1.35), self.text_size // 2
        block = self.text_size
        share = max(self.pen.textlength(share, self.font) for _, share, _ in rows)
        named = max(self.pen.textlength(words, self.font) for words, _, _ in rows)
        named = min(named, max(self.image.width - block - share - 5 * pad, block))
        end = block + named + (share + 2 * pad if share else 0) + 2 * pad
        self.pen.rectangle((0, 0, end + pad, line * len(rows) + pad), fill=SHADE)
        for index, (words, part, hue) in enumerate(rows):
            y = pad / 2 + index * line
            self.pen.rectangle(
                (pad, y + (line - block) / 2, pad + block, y + (line + block) / 2), fill=hue
            )
            self._words(2 * pad + block, y + line / 2, words, named + 1)
            self.pen.text((end, y + line / 2), part, PAPER, self.font, anchor="rm")

    def _words(self, x: float, middle: float, words: str, room: float) -> None:
        """Light words, cut to the room that there is."""
        while len(words) > 1 and self.pen.textlength(words, self.font) > room:
            words = words[:-2] + "…"
        self.pen.text((x, middle), words, PAPER, self.font, anchor="lm")

    def _scaled(self, ends: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(end * self.times for end in ends)


def _meets(
    plate: tuple[float, float, float], taken: Sequence[tuple[float, float, float]], high: float
) -> bool:
    """Whether a plate (left, top, width) lies on one of those (left, top, right) that are there."""
    left, top, wide = plate
    return any(
        left < right and start < left + wide and abs(top - y) < high for start, y, right in taken
    )


def _share(part: float) -> str:
    """In whole percent, but nothing that is there is 0 %."""
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _ink_on(hue: Colour) -> Colour:
    """Dark, but on the few dark ones of the bright colours, where light words are read better."""
    light = sum(share * (part / 255) ** 2 for share, part in zip(LIGHT, hue, strict=True))
    return INK if light > HALF_LIGHT else PAPER


def _dimmed(hue: Colour) -> Colour:
    """Dark enough for light words on it."""
    return hue[0] * 5 // 9, hue[1] * 5 // 9, hue[2] * 5 // 9
