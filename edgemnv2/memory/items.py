"""What the planner places: rows at fixed distances from one another, each with its live range.

Two items may not have certain distances between their bases: whenever a row of the one and a row
of the other are alive in the same step, their bytes must not meet. `forbidden_distances` collects
these as merged open intervals; placing an item is then picking a base outside all of them. This
one rule covers ring against ring, ring against whole tensor, output rows over spent input rows,
and scratch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

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
_MOST_PAIRS = 1 << 20
"""Of rows that are alive together, looked at at once."""


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
    contiguous = contiguous_rows(program)
    for name, rows in live.items():
        if name in program.external:
            continue
        height = program.tensors[name].height
        depth = _whole_accesses(contiguous.get(name, ()), height, rows, ring_depth(rows))
        stride = -(-rows.row_bytes // program.tensors[name].align_bytes)
        stride *= program.tensors[name].align_bytes
        offset = (np.arange(len(rows.first)) % depth) * stride
        items[name] = Item(name, name, 0, stride, depth, offset, rows.first, rows.last)
    return items


def scratch_item(owner: str, size_bytes: int, first: Numbers, last: Numbers) -> dict[str, Item]:
    """Scratch of `owner`, in use from `first[i]` to `last[i]` for every i; by its name."""
    name = SCRATCH_PREFIX + owner
    return {name: Item(name, owner, 0, size_bytes, 1, np.zeros_like(first), first, last)}


def contiguous_rows(program: Program) -> dict[str, list[tuple[int, int]]]:
    """By tensor the ranges `start, stop` of rows that some step wants one behind the other."""
    found: dict[str, set[tuple[int, int]]] = {}
    for op in program.ops:
        for number, read in enumerate(op.reads):
            if read.contiguous or op.rows_per_step > 1:
                height = program.tensors[read.tensor].height
                ranges = {_ends(op.rows_read(number, row, height)) for row in range(op.steps)}
                found.setdefault(read.tensor, set()).update(ranges)
        for number, write in enumerate(op.writes):
            if op.rows_per_step * write.rows > 1:
                ranges = {_ends(op.rows_made(row, number)) for row in range(op.steps)}
                found.setdefault(write.tensor, set()).update(ranges)
    return {name: sorted(ranges) for name, ranges in found.items()}


def _ends(rows: range) -> tuple[int, int]:
    return rows.start, rows.stop


def _whole_accesses(
    ranges: Sequence[tuple[int, int]], height: int, rows: LiveRows, least: int
) -> int:
    """The least depth from `least` on at which none of `ranges` meets the end of the ring."""
    wanted = [(start, stop) for start, stop in ranges if stop > start + 1]
    if not wanted:
        return least
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


def forbidden_distances(items: Sequence[Item]) -> list[dict[int, list[Interval]]]:
    """Open intervals that distances between bases must avoid, for each of `items`.

    `found[n][m]`: of `base(n) - base(m)`. Pairs that are never alive together are left out.
    """
    found: list[dict[int, list[Interval]]] = [{} for _ in items]
    met = _met(items)
    starts = np.flatnonzero(np.any(np.diff(met[:, :2], axis=0, prepend=-1), axis=1)).tolist()
    for start, stop in pairwise([*starts, len(met)]):
        n, m = met[start, :2].tolist()
        behind, before = items[n].row_bytes, items[m].row_bytes
        apart = merge_intervals((d - before, d + behind) for d in met[start:stop, 2].tolist())
        found[m][n] = apart
        found[n][m] = [(-high, -low) for low, high in reversed(apart)]
    return found


def _met(items: Sequence[Item]) -> Numbers:
    """Sorted rows `n, m, distance`: a row of item n, alive with one of m > n, is so far behind it.

    That is by their offsets. Of the rows in the order of their beginning, those alive with a row
    are the next few: a small part of all pairs.
    """
    if not items:
        return np.zeros((0, 3), np.int64)
    owner = np.concatenate([np.full(len(item.first), n) for n, item in enumerate(items)])
    first, last, offset = (
        np.concatenate([getattr(item, name) for item in items])
        for name in ("first", "last", "offset")
    )
    order = np.argsort(first, kind="stable")
    owner, first, last, offset = owner[order], first[order], last[order], offset[order]
    after = np.arange(1, len(first) + 1)
    count = np.searchsorted(first, last, side="right") - after
    until = np.cumsum(count)
    # Pair and distance as one number.
    reach = int(offset.max()) + 1
    keys = np.zeros(0, np.int64)
    start = done = 0
    while start < len(first):
        # Some rows at a time: all pairs of tall maps would not fit into memory.
        stop = int(np.searchsorted(until, done + _MOST_PAIRS, side="right"))
        rows = slice(start, max(start + 1, stop))
        one = np.repeat(np.arange(len(first))[rows], count[rows])
        begin = until[rows] - count[rows] - done
        two = np.arange(len(one)) + np.repeat(after[rows] - begin, count[rows])
        swap = owner[one] > owner[two]
        one, two = np.where(swap, two, one), np.where(swap, one, two)
        pair = owner[one] * len(items) + owner[two]
        key = pair * (2 * reach) + offset[one] - offset[two] + reach
        keys = np.sort(np.concatenate([keys, key[owner[one] != owner[two]]]))
        # What np.unique does: its hashing takes minutes for such numbers.
        keys = keys[np.diff(keys, prepend=-1) > 0]
        start, done = rows.stop, int(until[rows.stop - 1])
    pair, distance = np.divmod(keys, 2 * reach)
    return np.stack([*np.divmod(pair, len(items)), distance - reach], axis=1)
