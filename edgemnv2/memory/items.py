"""What the planner places: rows at fixed distances from one another, each with its live range.

Two items may not have certain distances between their bases: whenever a row of the one and a row
of the other are alive in the same step, their bytes must not meet. `forbidden_distances` collects
these as merged open intervals; placing an item is then picking a base outside all of them. This
one rule covers ring against ring, ring against whole tensor, output rows over spent input rows,
and scratch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemnv2.memory.live import LiveRows, ring_depth
from edgemnv2.program import Program

__all__ = [
    "Interval",
    "Item",
    "contiguous_rows",
    "forbidden_distances",
    "make_items",
    "merge_intervals",
    "row_items",
    "scratch_item",
    "split_ring",
]

Numbers = NDArray[np.int64]
Interval = tuple[int, int]
SCRATCH_PREFIX = "scratch:"
_MOST_PAIRS = 1 << 24
"""Of rows that are compared at once."""


@dataclass(frozen=True, eq=False)
class Item:
    """Rows that move together: row `k` lies at `base + offset[k]` while step is in its range."""

    name: str
    tensor: str
    """The tensor that it holds rows of, or the operation whose scratch it is."""
    residue: int
    """Which rows of the tensor: those with `row % residues == residue`."""
    row_bytes: int
    depth: int
    offset: Numbers
    first: Numbers
    last: Numbers

    @property
    def extent(self) -> int:
        """Bytes from the base to the end of the last row."""
        return self.depth * self.row_bytes

    @property
    def is_scratch(self) -> bool:
        """Whether this is an operation's scratch, not a tensor."""
        return self.name.startswith(SCRATCH_PREFIX)


def make_items(program: Program, live: Mapping[str, LiveRows], align_bytes: int) -> dict[str, Item]:
    """An item per tensor in the arena (a ring of least depth) and per operation with scratch."""
    times: dict[int, list[int]] = {}
    for now, step in enumerate(program.steps):
        if step.op >= 0 and program.ops[step.op].scratch_bytes:
            times.setdefault(step.op, []).append(now)
    items = row_items(program, live, align_bytes)
    for index, steps in times.items():
        op = program.ops[index]
        at = np.array(steps, np.int64)
        items |= scratch_item(op.name, op.scratch_bytes, at, at)
    return items


def row_items(program: Program, live: Mapping[str, LiveRows], align_bytes: int) -> dict[str, Item]:
    """An item per tensor in the arena, a ring of least depth for the live ranges `live`.

    Row distances are the row sizes, rounded up to the tensor's own element alignment.
    """
    items = {}
    for name, rows in live.items():
        if name in program.external:
            continue
        depth = _whole_accesses(program, name, rows, ring_depth(rows))
        stride = -(-rows.row_bytes // program.tensors[name].align_bytes)
        stride *= program.tensors[name].align_bytes
        offset = (np.arange(len(rows.first)) % depth) * stride
        items[name] = Item(name, name, 0, stride, depth, offset, rows.first, rows.last)
    return items


def scratch_item(owner: str, size_bytes: int, first: Numbers, last: Numbers) -> dict[str, Item]:
    """Scratch of `owner`, in use from `first[i]` to `last[i]` for every i; by its name."""
    name = SCRATCH_PREFIX + owner
    return {name: Item(name, owner, 0, size_bytes, 1, np.zeros_like(first), first, last)}


def contiguous_rows(program: Program, name: str) -> list[tuple[int, int]]:
    """Ranges `start, stop` of rows of `name` that some step wants one behind the other."""
    found: set[tuple[int, int]] = set()
    for op in program.ops:
        for number, read in enumerate(op.reads):
            if read.tensor == name and (read.contiguous or op.rows_per_step > 1):
                height = program.tensors[name].height
                found |= {_ends(op.rows_read(number, row, height)) for row in range(op.steps)}
        for number, write in enumerate(op.writes):
            if write.tensor == name and op.rows_per_step * write.rows > 1:
                found |= {_ends(op.rows_made(row, number)) for row in range(op.steps)}
    return sorted(found)


def _ends(rows: range) -> tuple[int, int]:
    return rows.start, rows.stop


def _whole_accesses(program: Program, name: str, rows: LiveRows, least: int) -> int:
    """The least depth from `least` on at which no contiguous access meets the end of the ring."""
    wanted = [(start, stop) for start, stop in contiguous_rows(program, name) if stop > start + 1]
    if not wanted:
        return least
    height = program.tensors[name].height
    for depth in range(least, len(rows.first)):
        fits = all(start % depth + stop - start <= depth for start, stop in wanted)
        if fits and np.all(rows.first[depth:] > rows.last[:-depth]):
            return depth
    return height if any(stop > len(rows.first) for _, stop in wanted) else len(rows.first)


def split_ring(item: Item, residues: int) -> list[Item]:
    """`item` as `residues` items, one per residue class of its rows, each placed on its own.

    A ring's free slots rotate, so a neighbour at a fixed address cannot use them; the classes of a
    finer cycle can.
    """
    return [
        Item(
            f"{item.name}#{k}",
            item.tensor,
            k,
            item.row_bytes,
            1,
            np.zeros(len(item.first[k::residues]), np.int64),
            item.first[k::residues],
            item.last[k::residues],
        )
        for k in range(residues)
    ]


def merge_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Union of open intervals, sorted; touching ones stay apart (the point between is free)."""
    merged: list[Interval] = []
    low = high = 0
    # Plain lists: there are a few dozen intervals at a time, and NumPy's overhead would be most.
    for start, stop in sorted(intervals):
        if merged and start < high:
            if stop > high:
                high = stop
                merged[-1] = (low, high)
        else:
            low, high = start, stop
            merged.append((low, high))
    return merged


def forbidden_distances(a: Item, b: Item) -> list[Interval]:
    """Open intervals that `base(b) - base(a)` must avoid; none if never alive together."""
    if a.first.min() > b.last.max() or b.first.min() > a.last.max():
        return []
    distances: set[int] = set()
    # A block of rows at a time: all pairs of two tall maps would not fit into memory.
    block = max(1, _MOST_PAIRS // len(b.first))
    for start in range(0, len(a.first), block):
        rows = slice(start, start + block)
        together = (a.first[rows, None] <= b.last[None]) & (b.first[None] <= a.last[rows, None])
        distances.update(np.unique((a.offset[rows, None] - b.offset[None])[together]).tolist())
    return merge_intervals((d - b.row_bytes, d + a.row_bytes) for d in distances)
