"""3x3 depthwise convolution of int8 with dot products: three rows of a column at a time.

Eight channels of three rows make two vectors, the rows of a channel side by side in four bytes of
which the last meets a weight of nought. `sdot` adds a column's part of a sum: one instruction for
three products in int16 and their widening. Neighbouring pixels share the columns' vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.neon.isa import Isa
from edgemnv2.tir.builder import Builder, constant, load, scalar, shuffle

__all__ = ["CHANNELS", "SdotColumns", "pack_dot_weights"]

Expr = Any
Array = NDArray[Any]
CHANNELS = 8
"""At once: two vectors of four channels."""
_HALVES = CHANNELS // 4
_COLUMN_BYTES = 4 * CHANNELS
"""Of packed weights: three taps of each channel and a nought."""


def pack_dot_weights(weight: Array, blocks: list[tuple[int, int]]) -> Array:
    """int8 weights `[3, 3, C]` block by block: column, channel, the column's taps and a nought."""
    padded = np.zeros((3, weight.shape[-1], 4), np.int8)
    padded[:, :, :3] = weight.transpose(1, 2, 0)
    return np.concatenate([padded[:, n0 : n0 + n].ravel() for n0, n in blocks])


def _places(half: int) -> Expr:
    """Where `tbl` finds the rows of four channels: lanes of the first two rows, of the third."""
    rows = [[row * CHANNELS + 4 * half + channel for row in range(3)] for channel in range(4)]
    # Beyond the table there is a nought.
    return shuffle([scalar(place, "int8") for each in rows for place in (*each, -1)], range(16))


class SdotColumns:
    """The sums of one tile of pixels; `column(row, c)` gives eight channels of an input column.

    Columns that are not `inside` are `zero` all over.
    """

    def __init__(
        self,
        k: Builder,
        isa: Isa,
        weights: list[list[Expr]],
        column: Callable[..., Expr],
        inside: Callable[[int], bool],
        zero: int,
    ) -> None:
        self._k, self._isa, self._weights, self._column = k, isa, weights, column
        self._inside, self._zero = inside, zero
        self._fours: dict[int, list[Expr]] = {}

    @staticmethod
    def load(k: Builder, weights: Any, packed: Expr) -> list[list[Expr]]:
        """For each column of the window the weights of four channels, and of the next four."""
        return [
            [
                k.let(load(weights, packed * (3 * 4) + (q * _COLUMN_BYTES + 16 * half), "int8x16"))
                for half in range(_HALVES)
            ]
            for q in range(3)
        ]

    def sums(self, bias: list[Expr], start: int) -> list[Expr]:
        """Two int32x4 of the pixel whose window begins at column `start` of the tile."""
        acc = list(bias)
        for q in range(3):
            fours = self._four(start + q)
            for half in range(_HALVES):
                w = self._weights[q][half]
                acc[half] = self._k.let(self._isa.sdot(acc[half], fours[half], w))
        return acc

    def _four(self, c: int) -> list[Expr]:
        """The three rows of column `c`, of four channels and of the next four."""
        if not self._inside(c):
            return [constant(self._zero, "int8", 16)] * _HALVES
        if c not in self._fours:
            rows = [self._column(r, c) for r in range(3)]
            upper = self._k.let(shuffle(rows[:2], range(16)))
            lower = self._k.let(shuffle([rows[2], constant(0, "int8", CHANNELS)], range(16)))
            self._fours[c] = [
                self._k.let(self._isa.tbl2(upper, lower, _places(half))) for half in range(_HALVES)
            ]
        return self._fours[c]
