"""The order of the steps: each row is made when somebody needs it, not before.

Within a chain its roots ask for their rows one by one; each operation asks its operands for the
rows that it reads. So a row is alive as short as possible and nothing is ever computed twice.
`ROWS.md`, "Order", has the rules for several roots.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.program import FEED, Program, RowOps, Step
from edgemnv2.streaming.crossing import Crossings, chain_roots

__all__ = ["ORDERS", "block_cuts", "chain_steps", "cut_points", "make_program"]

ORDERS = ("last", "together", "each")
"""Ways to run the roots of a chain: the last one asks and the others follow; all advance at one
pace; one after the other."""


def cut_points(rows: RowOps) -> list[int]:
    """Positions between operations where one tensor carries all that is not kept anyway; and ends.

    Position `p` lies before operation `p`. Chains begin and end here.
    """
    crossings = Crossings(rows)
    inner = [p for p in range(1, len(rows.ops)) if crossings.is_cut(p)]
    return [0, *inner, len(rows.ops)]


def block_cuts(rows: RowOps) -> list[int]:
    """The cut points where little is alive: for MobileNetV2, between inverted residuals.

    A tensor that is larger than the one before or behind it, which the expanded ones are, is not
    worth being whole in memory, unless a step next to it wants whole maps.
    """
    crossings = Crossings(rows)
    points = cut_points(rows)
    sizes = [crossings.size_bytes(p) for p in points]
    kept = [points[0]]
    for number in range(1, len(points) - 1):
        before, behind = rows.ops[points[number] - 1], rows.ops[points[number]]
        whole = max(before.rows_per_step, behind.rows_per_step) > 1
        single = rows.tensors[before.output].height == 1
        if whole or single or sizes[number] <= min(sizes[number - 1], sizes[number + 1]):
            kept.append(points[number])
    return [*kept, *points[1:][-1:]]


def chain_steps(crossings: Crossings, first: int, last: int, order: str = "last") -> list[Step]:
    """Steps of the operations `first .. last - 1` of `crossings.rows`, run as one chain.

    What crosses into the chain is whole in memory; fed inputs that no earlier operation reads
    arrive row by row. `order` is one of `ORDERS`.
    """
    return _Chain(crossings, first, last).run(order)


class _Chain:
    """The state of one chain while its steps are put in order."""

    def __init__(self, crossings: Crossings, first: int, last: int) -> None:
        self.crossings = crossings
        self.rows = rows = crossings.rows
        self.first = first
        self.last = last
        self.demands = crossings.demands
        self.done = [0] * last
        """Steps that each operation has made."""
        fed = crossings.fed
        self.feeds = {name: FEED - fed.index(name) for name in crossings.fed_in(first, last)}
        self.fed_rows = dict.fromkeys(self.feeds, 0)
        self._fed_by = {-1 - rows.inputs.index(name): name for name in self.feeds}
        self.steps: list[Step] = []
        self.followers: set[int] = set()
        self.following: dict[int, list[int]] = {}
        """Operation -> followers that may be able to go on once it has made a step."""
        self.is_following = False
        self._waits: dict[int, tuple[int, int]] = {}
        """Follower -> what it waits for: so many steps of an operation, or rows that are fed."""

    def run(self, order: str) -> list[Step]:
        roots = chain_roots(self.crossings, self.first, self.last)
        if order == "last":
            leader = roots[-1]
            needed = self._ancestors(leader)
            self.followers = {i for i in range(self.first, self.last) if i not in needed}
            # Sums take each row as it comes, so that nobody has to keep it for them.
            eager = [i for i in self.followers if i in roots or self.rows.ops[i].accumulates]
            for index in sorted(eager):
                for source in self._ancestors(index):
                    self.following.setdefault(source, []).append(index)
                for name in self.feeds:
                    self.following.setdefault(self.feeds[name], []).append(index)
            self._finish(leader)
        elif order == "together":
            while waiting := [r for r in roots if self.done[r] < self.rows.ops[r].steps]:
                self._make_step(min(waiting, key=lambda r: self.done[r] / self.rows.ops[r].steps))
        for root in roots:
            self._finish(root)
        # Rows that nobody reads (a stride may leave the last one out) are not made; but rows that
        # the caller feeds must all be taken.
        for name in self.feeds:
            self._feed(name, self.rows.tensors[name].height)
        return self.steps

    def _finish(self, index: int) -> None:
        while self.done[index] < self.rows.ops[index].steps:
            self._make_step(index)

    def _ancestors(self, index: int) -> set[int]:
        """Operations of the chain that `index` needs, itself included."""
        found: set[int] = set()
        waiting = [index]
        while waiting:
            at = waiting.pop()
            if at in found:
                continue
            found.add(at)
            op = self.rows.ops[at]
            names = [read.tensor for read in op.reads] + list(op.outputs if op.updates else ())
            writers = [w for name in names for w in self.demands.writers.get(name, ())]
            waiting += [w for w in writers if self.first <= w < at]
        return found

    def _feed(self, name: str, stop: int) -> None:
        while self.fed_rows[name] < stop:
            self.steps.append(Step(self.feeds[name], self.fed_rows[name]))
            self.fed_rows[name] += 1
            self._follow(self.feeds[name])

    def _make_step(self, index: int) -> None:
        row = self.done[index]
        for source, count in self.demands.new(index)[row]:
            if source >= self.first:
                while self.done[source] < count:
                    self._make_step(source)
            elif source in self._fed_by:
                self._feed(self._fed_by[source], count)
        if self.done[index] > row:
            # A follower's step that another follower just asked for.
            return
        self.steps.append(Step(index, row))
        self.done[index] += 1
        self._follow(index)

    def _follow(self, made: int) -> None:
        """Run the followers' steps for which all is there, now that `made` has made a step."""
        if self.is_following or made not in self.following:
            return
        self.is_following = True
        for index in self.following[made]:
            while self.done[index] < self.rows.ops[index].steps and self._can(index):
                self._make_step(index)
        self.is_following = False

    def _can(self, index: int) -> bool:
        """Whether a follower's next step needs nothing but such steps of followers.

        What was not there when it was asked last is looked at first: most have to wait long.
        """
        wait = self._waits.get(index)
        if wait is not None and self._made(wait[0]) < wait[1]:
            return False
        wait = self._missing(index, self.done[index], set())
        if wait is not None:
            self._waits[index] = wait
        return wait is None

    def _made(self, source: int) -> int:
        """Steps of an operation, or rows of what is fed, that there are."""
        if source >= 0:
            return self.done[source]
        return next(self.fed_rows[name] for name, feed in self.feeds.items() if feed == source)

    def _missing(self, index: int, row: int, had: set[tuple[int, int]]) -> tuple[int, int] | None:
        """What the step at `row` must wait for, and how many of it; None where all can be had.

        `had`: what is known to be so. The cells of a recurrent layer have three or four ways from
        each to the one before it, which no walk may follow all.
        """
        for source, count in self.demands.every(index)[row]:
            if source in self._fed_by:
                name = self._fed_by[source]
                if self.fed_rows[name] < count:
                    return self.feeds[name], count
            if source < self.first or self.done[source] >= count:
                continue
            if (source, count) in had:
                continue
            if source not in self.followers:
                return source, count
            # What an operation reads never goes back: its last step needs the most.
            missing = self._missing(source, count - 1, had)
            if missing is not None:
                return missing
            had.add((source, count))
        return None


def make_program(
    rows: RowOps,
    chains: Sequence[tuple[int, int]],
    *,
    fed: Sequence[str] = (),
    external: frozenset[str] = frozenset(),
    orders: Sequence[str] = (),
) -> Program:
    """The program of `rows` cut into `chains`, in order; `orders`, if given, one per chain."""
    steps: list[Step] = []
    crossings = Crossings(rows, fed)
    for number, (first, last) in enumerate(chains):
        steps += chain_steps(crossings, first, last, orders[number] if orders else ORDERS[0])
    return Program(
        tensors=rows.tensors,
        ops=rows.ops,
        steps=tuple(steps),
        chains=tuple(chains),
        inputs=rows.inputs,
        outputs=rows.outputs,
        fed=tuple(fed),
        external=external,
    )
