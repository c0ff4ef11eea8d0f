"""Anchors of a single shot detector: read from a file, or generated from its feature maps.

An anchor is (centre y, centre x, height, width), each as a share of the picture; they are in the
order of the heads' values: map by map, row by row, column by column, one behind the other in a
cell. Liu et al., "SSD: Single Shot MultiBox Detector", arXiv 1512.02325, section 2.2.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgemnv2.errors import InputError, reason
from edgemnv2.task import Box

__all__ = ["anchors_of", "read_anchors", "ssd_anchors"]

SMALLEST, LARGEST = 0.2, 0.95
"""Scales of the first and the last map, as TensorFlow's SSDLite has them."""
RATIOS = (1.0, 2.0, 0.5, 3.0, 1 / 3)
"""Width by height."""
FIRST = ((0.1, 1.0), (SMALLEST, 2.0), (SMALLEST, 0.5))
"""Scale and ratio in the first map, whose cells have three boxes only ("reduced")."""
MOST = 100_000


def ssd_anchors(
    maps: Sequence[tuple[int, int]], smallest: float = SMALLEST, largest: float = LARGEST
) -> tuple[Box, ...]:
    """TensorFlow's anchors for feature maps of `(height, width)` cells, large maps first.

    Scales grow evenly from `smallest` to `largest`; a cell has a box of each ratio, and a square
    between its scale and the next. The first map has three boxes a cell.
    """
    steps = max(len(maps) - 1, 1)
    scales = [smallest + (largest - smallest) * k / steps for k in range(len(maps))] + [1.0]
    found: list[Box] = []
    for index, (height, width) in enumerate(maps):
        if index == 0 and len(maps) > 1:
            kinds: list[tuple[float, float]] = list(FIRST)
        else:
            kinds = [(scales[index], ratio) for ratio in RATIOS]
            kinds.append((math.sqrt(scales[index] * scales[index + 1]), 1.0))
        sizes = [(scale / math.sqrt(ratio), scale * math.sqrt(ratio)) for scale, ratio in kinds]
        found += _cells(height, width, sizes)
    return tuple(found)


def anchors_of(content: Mapping[str, Any], place: str) -> tuple[Box, ...]:
    """Anchors of `{"maps": [[height, width, [[h, w], ...]], ...]}`: the boxes of a cell by map."""
    try:
        found: list[Box] = []
        for height, width, sizes in content["maps"]:
            found += _cells(int(height), int(width), [(float(h), float(w)) for h, w in sizes])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{place}: not a description of anchors ({error!r}); expected maps of [height, width, "
            "[[box height, box width], ...]]"
        ) from None
    return _checked(np.array(found, np.float64), place)


def read_anchors(path: Path) -> tuple[Box, ...]:
    """The anchors in a .npy, .csv or .txt file of `[anchors, 4]`, or a .json as `anchors_of` takes.

    Raises InputError: no file, another form, sizes that are not above zero.
    """
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text("utf-8"))
            return anchors_of(content if isinstance(content, dict) else {}, path.name)
        if path.suffix == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            values = np.loadtxt(path, delimiter="," if path.suffix == ".csv" else None, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: anchors cannot be read ({reason(error)}); give a .npy, .csv, .txt or "
            ".json file"
        ) from None
    return _checked(np.asarray(values, np.float64), path.name)


def _cells(height: int, width: int, sizes: Sequence[tuple[float, float]]) -> list[Box]:
    return [
        ((row + 0.5) / height, (column + 0.5) / width, high, wide)
        for row in range(height)
        for column in range(width)
        for high, wide in sizes
    ]


def _checked(values: Any, place: str) -> tuple[Box, ...]:
    # A row for each number is how TensorFlow's examples write them.
    if values.ndim == 2 and values.shape[0] == 4 and values.shape[1] != 4:
        values = values.T
    if values.ndim != 2 or values.shape[1] != 4 or not 0 < len(values) <= MOST:
        raise InputError(
            f"{place}: anchors have shape {list(values.shape)} (must be [anchors, 4]: centre y, "
            "centre x, height, width as shares of the picture)"
        )
    if not np.isfinite(values).all() or (values[:, 2:] <= 0).any():
        raise InputError(f"{place}: anchors must be finite, their sizes above zero; correct them")
    return tuple((float(y), float(x), float(h), float(w)) for y, x, h, w in values)
