"""What is in memory between two operations: the tensors that cross a position.

Position `p` lies before operation `p`. A tensor crosses it that something before `p` has made, at
least in part, and that something from `p` on touches; or that is an output of the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from edgemnv2.program import RowOps
from edgemnv2.streaming.demand import Demands

__all__ = ["LONG_LIFE", "Crossings", "chain_of", "chain_roots"]

LONG_LIFE = 8
"""Operations over which a tensor is kept before it counts as carried along (a skip connection, a
head that waits). An inverted residual has four."""


class Crossings:
    """The tensors that cross each position of `rows`; fed inputs only once they have been fed."""

    def __init__(self, rows: RowOps, fed: Sequence[str] = ()) -> None:
        self.rows = rows
        self.fed = tuple(fed)
        self.first: dict[str, int] = {}
        """Tensor -> the first position that it crosses."""
        self.last: dict[str, int] = {}
        """Tensor -> the last position that it crosses."""
        self.updated: dict[str, int] = {}
        """Tensor -> the last operation that changes its rows in place."""
        for name in rows.inputs:
            if name not in fed:
                self.first[name] = 0
        for index, op in enumerate(rows.ops):
            for read in op.reads:
                if read.tensor in fed:
                    self.first.setdefault(read.tensor, index + 1)
                self.last[read.tensor] = index
            for name in op.outputs:
                self.first.setdefault(name, index + 1)
                self.last[name] = index
                if op.updates:
                    self.updated[name] = index
        self.outputs = frozenset(rows.outputs)
        for name in rows.outputs:
            self.last[name] = len(rows.ops)

    @cached_property
    def demands(self) -> Demands:
        """What each step asks for."""
        return Demands(self.rows)

    @cached_property
    def _fed_at(self) -> dict[str, int]:
        """Fed input -> the operation that reads it first."""
        found: dict[str, int] = {}
        for index, op in enumerate(self.rows.ops):
            for read in op.reads:
                if read.tensor in self.fed:
                    found.setdefault(read.tensor, index)
        return found

    def fed_in(self, first: int, last: int) -> tuple[str, ...]:
        """Those fed inputs that are first read by the operations `first .. last - 1`."""
        return tuple(n for n in self.fed if first <= self._fed_at.get(n, -1) < last)

    @cached_property
    def _everywhere(self) -> list[tuple[str, ...]]:
        """`at` for all positions."""
        found: list[list[str]] = [[] for _ in range(len(self.rows.ops) + 1)]
        for name, first in sorted(self.first.items(), key=lambda item: item[1]):
            for position in range(first, self.last.get(name, -1) + 1):
                found[position].append(name)
        return [tuple(names) for names in found]

    def at(self, position: int) -> tuple[str, ...]:
        """All tensors in memory at `position`, in the order in which they were made."""
        return self._everywhere[position]

    def is_carried(self, name: str) -> bool:
        """Whether a tensor lives so long that chains must not wait for its end."""
        return name in self.first and self.last.get(name, -1) - self.first[name] >= LONG_LIFE

    def extras(self, position: int) -> list[str]:
        """Those of `at` that are kept anyway: outputs, and what is carried along."""
        return [n for n in self.at(position) if n in self.outputs or self.is_carried(n)]

    def is_cut(self, position: int) -> bool:
        """Whether a chain may begin at `position`, which is inside of the network."""
        crossing = self.at(position)
        if any(self.updated.get(name, -1) >= position for name in crossing):
            return False
        kept = set(self.extras(position))
        return len([name for name in crossing if name not in kept]) <= 1

    def size_bytes(self, position: int) -> int:
        """Bytes of what crosses, outputs that are done left out."""
        made = self.rows.ops[position - 1].outputs if position else ()
        return sum(
            self.rows.tensors[name].size_bytes
            for name in self.at(position)
            if name not in self.outputs or name in made
        )


def chain_roots(crossings: Crossings, first: int, last: int) -> list[int]:
    """Operations that ask for rows by themselves in the chain `first .. last - 1`.

    They make what crosses the end of the chain; what a later operation of the chain updates, that
    one asks for.
    """
    ops, crossing = crossings.rows.ops, set(crossings.at(last))
    roots = []
    for index in range(first, last):
        wanted = crossing.intersection(ops[index].outputs)
        for later in ops[index + 1 : last]:
            if later.updates:
                wanted -= set(later.outputs)
        if wanted:
            roots.append(index)
    # An operation whose rows nobody reads is made all the same.
    return roots or [last - 1]


def chain_of(crossings: Crossings, first: int, last: int) -> RowOps:
    """The operations `first .. last - 1` as a network of its own, with all that it must keep."""
    rows = crossings.rows
    return replace(
        rows,
        ops=rows.ops[first:last],
        inputs=(*crossings.fed_in(first, last), *crossings.at(first)),
        outputs=crossings.at(last),
    )
