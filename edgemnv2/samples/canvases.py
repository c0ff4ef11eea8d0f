"""Canvases: handwritten digits strewn over clutter, with their boxes and a map of their classes.

What the built-in detector was trained on and is checked with; `data/canvases` has the first four
held-out ones as PNG files. A canvas is made of seeded integers alone, so the same seed gives the
same bytes on every machine. Digits never touch; discs, triangles, rectangles and thin lines lie
below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["HELDOUT", "SIZE", "Canvas", "canvas", "heldout_canvases"]

Array = NDArray[Any]
Colour = NDArray[np.int64]

SIZE = 96
"""Height and width in pixels."""
HELDOUT = 100
"""Canvases that are taken where nobody says how many."""
MOST_DIGITS = 5
SMALLEST, LARGEST = 24, 52
"""Height of a digit's field in pixels; its ink fills most of it."""
GAP = 3
"""Pixels between the boxes of two digits, at least."""
TRIES = 40
CONTRAST = 90
"""Between ink and what lies below it, of 255, at least."""
INKED = 64
"""Alpha from which a pixel is the digit's: where its box ends, and what the map calls it."""
HELDOUT_SEED = 20_000
"""Of the first held-out canvas; training draws its seeds elsewhere."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """`pixels` uint8 `[96, 96, 3]`; digits `classes` `[D]` in `boxes` float32 `[D, 4]`.

    A box is (top, left, bottom, right) as shares of the canvas; `mask` uint8 `[96, 96]` has the
    class + 1 where a digit is, and 0 elsewhere.
    """

    pixels: NDArray[np.uint8]
    classes: NDArray[np.int64]
    boxes: NDArray[np.float32]
    mask: NDArray[np.uint8]


def heldout_canvases(count: int) -> list[Canvas]:
    """The first `count` canvases of digits that no training has seen; any number."""
    from edgemnv2.samples import digits

    images, labels = digits.heldout()
    return [canvas(images[..., 0], labels, HELDOUT_SEED + index) for index in range(count)]


def canvas(sprites: NDArray[np.uint8], labels: NDArray[np.int64], seed: int) -> Canvas:
    """The canvas of `seed`, with some of the grey digits `sprites` `[N, h, w]` of `labels`."""
    random = np.random.default_rng(seed)
    pixels = _ground(random)
    for _ in range(int(random.integers(3, 11))):
        _clutter(random, pixels)
    mask = np.zeros((SIZE, SIZE), np.uint8)
    classes: list[int] = []
    boxes: list[tuple[int, int, int, int]] = []
    for _ in range(int(random.integers(1, MOST_DIGITS + 1))):
        chosen = int(random.integers(len(sprites)))
        placed = _place(random, sprites[chosen], boxes)
        if placed is None:
            continue
        alpha, top, left, box = placed
        _ink(random, pixels, alpha, top, left)
        field = mask[top : top + alpha.shape[0], left : left + alpha.shape[1]]
        field[alpha >= INKED] = labels[chosen] + 1
        classes.append(int(labels[chosen]))
        boxes.append(box)
    return Canvas(
        pixels.astype(np.uint8),
        np.array(classes, np.int64),
        np.array(boxes, np.float32).reshape(-1, 4) / np.float32(SIZE),
        mask,
    )


def _ground(random: np.random.Generator) -> Array:
    """int64 `[96, 96, 3]`: four corners of similar colours, and noise."""
    base = random.integers(0, 256, 3)
    corners = np.clip(base + random.integers(-50, 51, (2, 2, 3)), 0, 255)
    along = np.arange(SIZE)
    weights = np.stack([SIZE - 1 - along, along], 1)
    down = (weights @ corners.reshape(2, 6)).reshape(SIZE, 2, 3)
    blend = (weights @ down) // (SIZE - 1) ** 2
    noise = int(random.integers(1, 13))
    noisy = blend + random.integers(-noise, noise + 1, (SIZE, SIZE, 3))
    return np.asarray(np.clip(noisy, 0, 255))


def _clutter(random: np.random.Generator, pixels: Array) -> None:
    """One shape over `pixels`, half of its colour showing through."""
    y, x = np.ogrid[0:SIZE, 0:SIZE]
    cy, cx = random.integers(0, SIZE, 2)
    size = int(random.integers(4, 22))
    kind = int(random.integers(4))
    if kind == 0:
        inside = (y - cy) ** 2 + (x - cx) ** 2 <= size * size
    elif kind == 1:
        high, wide = random.integers(3, 22, 2)
        inside = (abs(y - cy) <= high) & (abs(x - cx) <= wide)
    elif kind == 2:
        inside = (y >= cy) & (y <= cy + size) & (2 * abs(x - cx) <= y - cy)
    else:
        # A line through the whole canvas, one or two pixels thick.
        dy, dx = random.integers(-20, 21, 2)
        length = max(1, int(abs(dy) + abs(dx)))
        inside = abs((y - cy) * dx - (x - cx) * dy) <= length
    colour = random.integers(0, 256, 3)
    pixels[inside] = (pixels[inside] + colour) // 2


def _place(
    random: np.random.Generator, sprite: Array, taken: list[tuple[int, int, int, int]]
) -> tuple[Array, int, int, tuple[int, int, int, int]] | None:
    """Alpha `[h, w]`, its corner and its ink's box in pixels; None where there is no room."""
    height = int(random.integers(SMALLEST, LARGEST + 1))
    width = height * int(random.integers(85, 116)) // 100
    alpha = _resized(sprite, height, width)
    rows, columns = (np.flatnonzero((alpha >= INKED).any(axis=1 - axis)) for axis in (0, 1))
    inner = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
    for _ in range(TRIES):
        top = int(random.integers(0, SIZE - height + 1))
        left = int(random.integers(0, SIZE - width + 1)) if width < SIZE else 0
        box = inner[0] + top, inner[1] + left, inner[2] + top, inner[3] + left
        if not any(_near(box, other) for other in taken):
            return alpha, top, left, box
    return None


def _near(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    apart = a[2] + GAP <= b[0] or b[2] + GAP <= a[0] or a[3] + GAP <= b[1] or b[3] + GAP <= a[1]
    return not apart


def _resized(sprite: Array, height: int, width: int) -> Array:
    """Bilinear in integers, half-pixel centres: int64 `[height, width]` of 0..255."""
    down, across = _weights(sprite.shape[0], height), _weights(sprite.shape[1], width)
    unit = 4 * height * width
    return (down @ sprite.astype(np.int64) @ across.T + unit // 2) // unit


def _weights(source: int, target: int) -> NDArray[np.int64]:
    """`[target, source]`, each row adding up to `2 * target`."""
    index = np.arange(target)
    position = np.clip((2 * index + 1) * source - target, 0, 2 * target * (source - 1))
    low, part = np.divmod(position, 2 * target)
    found = np.zeros((target, source), np.int64)
    found[index, low] = 2 * target - part
    # Behind the last one nothing is left over.
    found[index, np.minimum(low + 1, source - 1)] += part
    return found


def _ink(random: np.random.Generator, pixels: Array, alpha: Array, top: int, left: int) -> None:
    """Blend a digit in: its colour is lighter or darker than what lies below, by `CONTRAST`."""
    field = pixels[top : top + alpha.shape[0], left : left + alpha.shape[1]]
    below = int(field[alpha >= INKED].mean(axis=0).sum()) // 3
    low, high = (below + CONTRAST, 256) if below < 128 else (0, below - CONTRAST + 1)
    colour = random.integers(max(low, 0), min(high, 256), 3)
    share = alpha[..., np.newaxis]
    field[...] = (field * (255 - share) + colour * share + 127) // 255
