"""How kernels walk over pixels and channels, on every vector unit.

Channels are cut into panels of `nr`; the last panel, if `nr` does not divide the channels, is moved
back so that it ends with the last channel: it computes a few channels a second time and needs no
partial store. Weights and constants are packed panel by panel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.tir.builder import Builder, split_tiles

__all__ = [
    "Panel",
    "Panels",
    "blocks_of",
    "channel_blocks",
    "column_cache",
    "copy_pieces",
    "depthwise_tiles",
    "equal_runs",
    "looped_pieces",
    "pack_columns",
    "panels_of",
    "pixel_runs",
    "pixel_tiles",
    "runs",
    "tiles_by_channels",
    "walk",
    "window_pieces",
]

Expr = Any
LONGEST_PIECE = 8
"""Elements of a copy at most."""
MOST_PIECES = 16
"""Longest copies in a stretch that are written out; more are a loop."""
PixelTile = tuple[Expr, int, Callable[[int], bool]]
"""First output pixel, pixels, and which input columns (from the first one read) exist."""


@dataclass(frozen=True)
class Panel:
    """One panel inside the code: first output channel, first packed channel, channels."""

    channel: Expr
    packed: Expr
    width: int


@dataclass(frozen=True)
class Panels:
    """`full` panels of `nr` channels and perhaps a last one of `tail`; `channels` in all."""

    channels: int
    nr: int
    full: int
    tail: int

    def blocks(self) -> list[tuple[int, int]]:
        """`(first channel, channels)` of every panel, in packed order."""
        full = [(p * self.nr, self.nr) for p in range(self.full)]
        return [*full, (self.channels - self.tail, self.tail)] if self.tail else full

    @property
    def key(self) -> tuple[int, ...]:
        """What of this shapes the code: channels, the first and the end of those made, `nr`."""
        return (self.channels, 0, self.channels, self.nr)

    def each(self, k: Builder) -> Iterator[Panel]:
        """The panels as code: a loop over the full ones, then the tail."""
        if self.full == 1:
            yield Panel(0, 0, self.nr)
        elif self.full > 1:
            with k.loop(self.full) as p:
                first = k.let(p * self.nr)
                yield Panel(first, first, self.nr)
        if self.tail:
            yield Panel(self.channels - self.tail, self.full * self.nr, self.tail)


def panels_of(channels: int, nr: int, granule: int) -> Panels | None:
    """Panels for `channels`; None when there are fewer than the narrowest panel has."""
    full, rest = divmod(channels, nr)
    tail = -(-rest // granule) * granule
    if tail <= channels:
        return Panels(channels, nr, full, tail)
    if nr > granule and channels >= granule:
        return panels_of(channels, granule, granule)
    return None


def runs(k: Builder, total: int, size: int) -> Iterator[tuple[Expr, int]]:
    """`(first, count)` tiles of at most `size` of `total` items; equal ones are a loop."""
    for start, count, each in split_tiles(total, size):
        if count == 1:
            yield start, each
        else:
            with k.loop(count) as i:
                yield k.let(start + i * each), each


def walk(
    k: Builder,
    pixels: int,
    mr: int,
    panels: Panels,
    order: str,
    body: Callable[[Expr, int, Panel], None],
    before: Callable[[Expr, int], None] | None = None,
) -> None:
    """Call `body(first pixel, pixels, panel)` for every tile.

    With pixels outermost, `before(first pixel, pixels)` precedes the panels of a tile.

    `order` "panel": panels outermost, a panel's weights stay in cache; "pixel": pixels outermost.
    """

    if order == "panel":
        for panel in panels.each(k):
            for first, size in runs(k, pixels, mr):
                body(first, size, panel)
    else:
        for first, size in runs(k, pixels, mr):
            if before is not None:
                before(first, size)
            for panel in panels.each(k):
                body(first, size, panel)


def pixel_runs(
    width: int,
    source_width: int,
    stride: int,
    left: int,
    size: int,
    window: int = 3,
    begin: int = 0,
) -> list[tuple[int, int, int, Callable[[int], bool]]]:
    """`(first output pixel, tiles, pixels of each, inside)` of a row; inner tiles are a run.

    Of pixels `begin ..` below `width`.

    `inside(c)` says whether input column `c`, counted from the first one that the tile's first
    pixel reads, lies in the image.
    """

    def everywhere(_: int) -> bool:
        return True

    runs: list[tuple[int, int, int, Callable[[int], bool]]] = []
    for start in range(begin, width, size):
        count = min(size, width - start)
        first = start * stride - left
        if first < 0 or first + (count - 1) * stride + window > source_width:

            def inside(c: int, first: int = first) -> bool:
                return 0 <= first + c < source_width

            runs.append((start, 1, count, inside))
        elif runs and runs[-1][2:] == (count, everywhere):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1, count, everywhere)
        else:
            runs.append((start, 1, count, everywhere))
    return runs


def pixel_tiles(
    k: Builder,
    width: int,
    source_width: int,
    stride: int,
    left: int,
    size: int,
    window: int = 3,
    begin: int = 0,
) -> Iterator[PixelTile]:
    """`pixel_runs` as code, `(first output pixel, pixels, inside)`: a run is a loop."""
    for start, run, count, inside in pixel_runs(
        width, source_width, stride, left, size, window, begin
    ):
        if run == 1:
            yield start, count, inside
        else:
            with k.loop(run) as i:
                yield k.let(i * size + start), count, inside


def channel_blocks(k: Builder, channels: int, size: int) -> Iterator[tuple[Expr, Expr]]:
    """`(first channel, first packed channel)`; the last block is moved back to fit."""
    full = channels // size
    if full == 1:
        yield 0, 0
    else:
        with k.loop(full) as c:
            first = k.let(c * size)
            yield first, first
    if channels % size:
        yield channels - size, full * size


def depthwise_tiles(
    k: Builder, channels: int, size: int, order: str, pixels: Callable[[], Iterator[PixelTile]]
) -> Iterator[tuple[Expr, Expr, PixelTile]]:
    """`(first channel, first packed channel, pixel tile)` with channels or pixels outermost.

    Channels outermost keep weights in registers; pixels outermost read memory in order.
    """
    for channel, packed, tiles in tiles_by_channels(k, channels, size, order, pixels):
        for tile in tiles:
            yield channel, packed, tile


def tiles_by_channels(
    k: Builder, channels: int, size: int, order: str, pixels: Callable[[], Iterator[PixelTile]]
) -> Iterator[tuple[Expr, Expr, Iterable[PixelTile]]]:
    """`depthwise_tiles` with the tiles that share what is loaded for a block of channels."""
    if order == "channel":
        for channel, packed in channel_blocks(k, channels, size):
            yield channel, packed, pixels()
    else:
        for tile in pixels():
            for channel, packed in channel_blocks(k, channels, size):
                yield channel, packed, (tile,)


def blocks_of(channels: int, size: int) -> list[tuple[int, int]]:
    """`(first channel, size)` of the blocks in packed order."""
    blocks = [(c * size, size) for c in range(channels // size)]
    return [*blocks, (channels - size, size)] if channels % size else blocks


def pack_columns(values: NDArray[Any], blocks: list[tuple[int, int]]) -> NDArray[Any]:
    """`values` `[..., N]` block after block: all rows of the block's columns, then the next."""
    return np.concatenate([values[..., n0 : n0 + n].ravel() for n0, n in blocks])


def column_cache(
    inside: Callable[[int], bool], read: Callable[..., Expr], outside: Callable[[], Expr]
) -> Callable[..., Expr]:
    """`column(..., c)`: what `read(..., c)` gives, read once; `outside()` where no column `c` is.

    Pixels of a tile share input columns; the code for each is made where it is first needed.
    """
    known: dict[tuple[int, ...], Expr] = {}

    def column(*place: int) -> Expr:
        if not inside(place[-1]):
            return outside()
        if place not in known:
            known[place] = read(*place)
        return known[place]

    return column


def window_pieces(
    k: Builder, inside: Callable[[int], bool], columns: int, channels: int
) -> Iterator[tuple[Expr, int, bool]]:
    """`(offset, lanes, exists)` copies of one row of a window, column by column of the image."""
    for begin, end, exists in equal_runs([inside(c) for c in range(columns)]):
        for offset, lanes in looped_pieces(k, begin * channels, end * channels):
            yield offset, lanes, exists


def equal_runs(flags: list[bool]) -> list[tuple[int, int, bool]]:
    """`(begin, end, flag)` runs of equal flags."""
    runs: list[tuple[int, int, bool]] = []
    for i, flag in enumerate(flags):
        if runs and runs[-1][2] == flag:
            runs[-1] = (runs[-1][0], i + 1, flag)
        else:
            runs.append((i, i + 1, flag))
    return runs


def looped_pieces(k: Builder, begin: int, end: int) -> Iterator[tuple[Expr, int]]:
    """`copy_pieces`; those of a long stretch in a loop, so that code does not grow with it."""
    vectors = (end - begin) // LONGEST_PIECE
    if vectors > MOST_PIECES:
        with k.loop(vectors) as i:
            yield i * LONGEST_PIECE + begin, LONGEST_PIECE
        begin += vectors * LONGEST_PIECE
    yield from copy_pieces(begin, end)


def copy_pieces(begin: int, end: int) -> list[tuple[int, int]]:
    """`(offset, lanes)` copies that cover `begin .. end`, the largest first."""
    pieces = []
    for lanes in (LONGEST_PIECE, 4, 1):
        while end - begin >= lanes:
            pieces.append((begin, lanes))
            begin += lanes
    return pieces
