"""3x3 depthwise convolution of int8 with dot products: three columns of a row at a time.

Eight channels of four columns are zipped into two vectors, four columns of a channel side by side.
`sdot` with `(w0, w1, w2, 0)` adds the row's part of the first output column, with `(0, w0, w1, w2)`
that of the second. Against products in int16 it is one instruction for three, and no widening.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.tir.builder import Builder, constant, load, reinterpret, shuffle

__all__ = ["CHANNELS", "SdotColumns", "pack_dot_weights"]

Expr = Any
Array = NDArray[Any]
CHANNELS = 8
"""At once: two vectors of four channels."""
_HALVES = CHANNELS // 4
_ROW_BYTES = 4 * CHANNELS
"""Of packed weights: three taps of each channel and a nought."""


def pack_dot_weights(weight: Array, blocks: list[tuple[int, int]]) -> Array:
    """int8 weights `[3, 3, C]` block by block: row, channel, the row's taps and a nought."""
    padded = np.zeros((3, weight.shape[-1], 4), np.int8)
    padded[:, :, :3] = weight.transpose(0, 2, 1)
    return np.concatenate([padded[:, n0 : n0 + n].ravel() for n0, n in blocks])


class SdotColumns:
    """The sums of one tile of pixels; `column(row, c)` gives eight channels of an input column."""

    def __init__(
        self, k: Builder, isa: Isa, weights: list[tuple[Expr, Expr]], column: Callable[..., Expr]
    ) -> None:
        self._k, self._isa, self._weights, self._column = k, isa, weights, column
        self._pairs: dict[tuple[int, int], Expr] = {}
        self._fours: dict[tuple[int, int], list[Expr]] = {}

    @staticmethod
    def load(k: Builder, weights: Any, packed: Expr) -> list[tuple[Expr, Expr]]:
        """For each row and half the weights of a group's first column, and of its second."""
        found = []
        for r in range(3):
            for half in range(_HALVES):
                at = packed * (3 * 4) + (r * _ROW_BYTES + 16 * half)
                first = k.let(load(weights, at, "int8x16"))
                words = reinterpret(first, "int32x4") << constant(8, "int32", 4)
                found.append((first, k.keep(reinterpret(words, "int8x16"), "int8x16")))
        return found

    def sums(self, bias: list[Expr], start: int, last: int) -> list[Expr]:
        """Two int32x4 of the pixel whose window begins at column `start` of the tile.

        `last` is the last column that any pixel of the tile needs: one that only a nought meets is
        not read.
        """
        group, place = start - start % 2, start % 2
        acc = list(bias)
        for r in range(3):
            fours = self._four(r, group, last)
            for half in range(_HALVES):
                w = self._weights[_HALVES * r + half][place]
                acc[half] = self._k.let(self._isa.sdot(acc[half], fours[half], w))
        return acc

    def _four(self, r: int, group: int, last: int) -> list[Expr]:
        if (r, group) not in self._fours:
            low, high = (self._pair(r, group + c, last) for c in (0, 2))
            words = []
            for half in range(_HALVES):
                lanes = [
                    place + lane
                    for channel in range(4)
                    for place in (0, 16)
                    for lane in (2 * (4 * half + channel), 2 * (4 * half + channel) + 1)
                ]
                words.append(self._k.let(shuffle([low, high], lanes)))
            self._fours[r, group] = words
        return self._fours[r, group]

    def _pair(self, r: int, c: int, last: int) -> Expr:
        """Columns `c` and `c + 1` of eight channels, side by side."""
        if (r, c) not in self._pairs:
            nought = constant(0, "int8", CHANNELS)
            two = [self._column(r, x) if x <= last else nought for x in (c, c + 1)]
            lanes = [place + n for n in range(CHANNELS) for place in (0, CHANNELS)]
            self._pairs[r, c] = self._k.let(shuffle(two, lanes))
        return self._pairs[r, c]
