"""How a pointwise kernel walks over pixels and output channels.

Channels are cut into panels of `nr`; the last panel, if `nr` does not divide the channels, is moved
back so that it ends with the last channel: it computes a few channels a second time and needs no
partial store. Weights and constants are packed panel by panel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from edgemnv2.schedules.builder import Builder, split_tiles

__all__ = ["Panel", "Panels", "panels_of", "walk"]

Expr = Any


@dataclass(frozen=True)
class Panel:
    """One panel inside the code: first output channel, first packed channel, channels."""

    channel: Expr
    packed: Expr
    width: int


@dataclass(frozen=True)
class Panels:
    """`full` panels of `nr` channels and perhaps a last one of `tail`, out of `channels`."""

    channels: int
    nr: int
    full: int
    tail: int

    def blocks(self) -> list[tuple[int, int]]:
        """`(first channel, channels)` of every panel, in packed order."""
        full = [(p * self.nr, self.nr) for p in range(self.full)]
        return [*full, (self.channels - self.tail, self.tail)] if self.tail else full

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
    """Panels for `channels`, or None when there are fewer than the narrowest panel has."""
    full, rest = divmod(channels, nr)
    tail = -(-rest // granule) * granule
    if tail > channels:
        return (
            panels_of(channels, granule, granule) if nr > granule and channels >= granule else None
        )
    return Panels(channels, nr, full, tail)


def walk(
    k: Builder,
    pixels: int,
    mr: int,
    panels: Panels,
    order: str,
    body: Callable[[Expr, int, Panel], None],
) -> None:
    """Call `body(first pixel, pixels, panel)` for every tile.

    `order` "panel": panels outermost, a panel's weights stay in cache; "pixel": pixels outermost.
    """

    def tiles() -> Iterator[tuple[Expr, int]]:
        for start, count, size in split_tiles(pixels, mr):
            if count == 1:
                yield start, size
            else:
                with k.loop(count) as i:
                    yield k.let(start + i * size), size

    if order == "panel":
        for panel in panels.each(k):
            for first, size in tiles():
                body(first, size, panel)
    else:
        for first, size in tiles():
            for panel in panels.each(k):
                body(first, size, panel)
