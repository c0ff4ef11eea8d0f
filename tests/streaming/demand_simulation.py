"""How few bytes of activations a network could do with: a simulation after `spikes/rowplan.py`.

Counts the bytes of live rows while rows are made on demand, segment by segment; between two
segments whole tensors live. Every position between operations may be a cut. Nothing is placed, so
an arena can hardly be smaller. Reads plain fields of row operations, and shares no code with the
package.
"""

from __future__ import annotations

from functools import cache
from typing import Any

POLICIES = ("one drives", "all drive")


def least_bytes(rows: Any, fed: frozenset[str], outside: frozenset[str]) -> int:
    """Peak live bytes of `rows` with the best cuts; tensors `outside` cost nothing."""
    count = len(rows.ops)

    @cache
    def crossing(position: int) -> frozenset[str]:
        """Tensors that are there, at least in part, and that somebody wants later."""
        made = {n for n in rows.inputs if n not in fed}
        for op in rows.ops[:position]:
            made |= {w.tensor for w in op.writes} | {r.tensor for r in op.reads}
        wanted = set(rows.outputs)
        for op in rows.ops[position:]:
            wanted |= {w.tensor for w in op.writes} | {r.tensor for r in op.reads}
        return frozenset(made & wanted)

    def whole(position: int) -> int:
        names = crossing(position) - outside
        return sum(rows.tensors[n].height * rows.tensors[n].row_bytes for n in names)

    def peak(first: int, last: int, limit: int) -> int:
        best = limit
        for policy in POLICIES:
            for driver in reversed(_roots(rows, first, last, crossing(last))):
                try:
                    run = _Segment(
                        rows, first, last, crossing(first), crossing(last), outside, best
                    )
                    best = min(best, run.peak(policy, driver))
                except _TooMuchError:
                    pass
                if policy == "all drive":
                    break
        return best

    least = peak(0, count, 1 << 60)
    best = [0] + [1 << 60] * count
    for last in range(1, count + 1):
        if last < count and whole(last) >= least:
            continue
        for first in range(last):
            if best[first] < min(least, best[last]):
                limit = min(least, best[last])
                best[last] = min(best[last], max(best[first], peak(first, last, limit)))
    return min(least, best[count])


def _roots(rows: Any, first: int, last: int, behind: frozenset[str]) -> list[int]:
    found = [i for i in range(first, last) if any(w.tensor in behind for w in rows.ops[i].writes)]
    return found or [last - 1]


class _TooMuchError(Exception):
    """Another way needs less already."""


class _Segment:
    """Operations `first .. last - 1` while they run."""

    def __init__(
        self,
        rows: Any,
        first: int,
        last: int,
        before: frozenset[str],
        behind: frozenset[str],
        outside: frozenset[str],
        limit: int,
    ) -> None:
        self.rows, self.first, self.last, self.limit = rows, first, last, limit
        self.behind = behind
        self.roots = _roots(rows, first, last, behind)
        self.next = dict.fromkeys(range(first, last), 0)
        self.made: dict[str, set[int]] = {name: set() for name in rows.tensors}
        self.readers: dict[str, list[tuple[int, Any]]] = {}
        self.writers: dict[str, list[int]] = {}
        for i in range(first, last):
            for read in rows.ops[i].reads:
                self.readers.setdefault(read.tensor, []).append((i, read))
            for write in rows.ops[i].writes:
                self.writers.setdefault(write.tensor, []).append(i)
        self.cost = {n: 0 if n in outside else t.row_bytes for n, t in rows.tensors.items()}
        self.fed: dict[str, int] = {}
        """Rows that have come so far of each fed input."""
        self.live = 0
        self.most = 0
        for name in before:
            self.made[name] = set(range(rows.tensors[name].height))
            self.live += self.cost[name] * len(self.made[name])
        self.given = before
        self.note(0)

    def peak(self, policy: str, driver: int) -> int:
        steps = {i: self.rows.ops[i].steps for i in self.roots}
        if policy == "one drives":
            self.eager = [i for i in self.roots if i != driver]
            self.until(driver, steps[driver])
        else:
            self.eager = []
            while left := [i for i in self.roots if self.next[i] < steps[i]]:
                self.step(min(left, key=lambda i: self.next[i] / steps[i]))
        for i in self.roots:
            self.until(i, steps[i])
        return self.most

    def note(self, scratch: int) -> None:
        self.most = max(self.most, self.live + scratch)
        if self.most >= self.limit:
            raise _TooMuchError

    def until(self, i: int, steps: int) -> None:
        while self.next[i] < steps:
            self.step(i)

    def window(self, i: int, read: Any, step: int) -> tuple[int, int]:
        """First and last existing row that the step reads."""
        lines = self.rows.ops[i].rows_per_step
        height = self.rows.tensors[read.tensor].height
        low = (step * lines * read.stride + read.phase) // read.divisor - read.before
        high = ((step * lines + lines - 1) * read.stride + read.phase) // read.divisor
        high += read.window - 1 - read.before
        return max(0, min(low, height - 1)), max(0, min(high, height - 1))

    def span(self, i: int, write: Any, step: int) -> range:
        op = self.rows.ops[i]
        size = write.rows * (1 if op.accumulates else op.rows_per_step)
        start = write.first_row + (0 if op.accumulates else step * size)
        return range(start, start + size)

    def want(self, name: str, last_row: int, by: int) -> None:
        if name in self.given and name not in self.writers:
            return
        if name not in self.writers:
            while self.fed.get(name, 0) <= last_row:
                self.add(name, self.fed.get(name, 0))
                self.fed[name] = self.fed.get(name, 0) + 1
                self.note(0)
            return
        for i in self.writers[name]:
            if i >= by:
                break
            op = self.rows.ops[i]
            write = next(w for w in op.writes if w.tensor == name)
            if op.accumulates:
                self.until(i, op.steps)
            while self.next[i] < op.steps and self.span(i, write, self.next[i]).start <= last_row:
                self.step(i)

    def add(self, name: str, row: int) -> None:
        if row not in self.made[name]:
            self.made[name].add(row)
            self.live += self.cost[name]

    def step(self, i: int) -> None:
        op, number = self.rows.ops[i], self.next[i]
        for read in op.reads:
            self.want(read.tensor, self.window(i, read, number)[1], i)
        if op.updates:
            for write in op.writes:
                self.want(write.tensor, self.span(i, write, number)[-1], i)
        if self.next[i] != number:
            return
        self.next[i] += 1
        for write in op.writes:
            for row in self.span(i, write, number):
                self.add(write.tensor, row)
        self.note(op.scratch_bytes)
        self.retire({read.tensor for read in op.reads} | {w.tensor for w in op.writes})
        for other in self.eager:
            if other != i and not self.is_busy:
                self.try_steps(other)

    is_busy = False

    def try_steps(self, i: int) -> None:
        """Steps of another root whose direct operands are there, or made of nothing but its own."""
        self.is_busy = True
        while self.next[i] < self.rows.ops[i].steps and self.ready(i, self.next[i]):
            self.step(i)
        self.is_busy = False

    def ready(self, i: int, number: int) -> bool:
        for read in self.rows.ops[i].reads:
            low, high = self.window(i, read, number)
            if all(row in self.made[read.tensor] for row in range(low, high + 1)):
                continue
            by = [w for w in self.writers.get(read.tensor, ()) if w < i]
            # Operations of which only this one reads.
            own = all(r == i for r, _ in self.readers[read.tensor]) and len(by) == 1
            if not own or self.rows.ops[by[0]].accumulates:
                return False
            if not self.ready(by[0], min(high, self.rows.ops[by[0]].steps - 1)):
                return False
        return True

    def retire(self, names: set[str]) -> None:
        for name in names:
            if name in self.behind or not self.made[name]:
                continue
            low = 1 << 30
            for i, read in self.readers.get(name, ()):
                if self.next[i] < self.rows.ops[i].steps:
                    low = min(low, self.window(i, read, self.next[i])[0])
            for i in self.writers.get(name, ()):
                op = self.rows.ops[i]
                if op.accumulates and self.next[i] < op.steps:
                    low = 0
                if op.updates and self.next[i] < op.steps:
                    low = min(low, self.next[i])
            dead = {row for row in self.made[name] if row < low}
            if dead:
                self.made[name] -= dead
                self.live -= self.cost[name] * len(dead)
