"""The row program for two cores: every step of the order for one goes to one of them.

The order stays nearly what it was, so that memory does: a core that is free takes the first step
within reach whose rows are there. Which step waits for which of the other core's is found when
the rows have their places (`memory/core_plan.py`), for a place that is used again has to wait, too.
How long steps take is an estimate; it decides how well the cores share, never what they compute.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgemnv2.program import Program, Step

__all__ = ["CORES", "CoreProgram", "schedule_steps", "step_needs"]

CORES = 2


@dataclass(frozen=True)
class CoreProgram:
    """`program.steps` in the order in which they begin, and for each of them where and when.

    One core that does all of them in this order computes the same. `begin` and `end` are in the
    estimate's unit.
    """

    program: Program
    core: tuple[int, ...]
    begin: tuple[float, ...]
    end: tuple[float, ...]

    @property
    def span(self) -> float:
        """When the last step ends."""
        return max(self.end, default=0.0)


def step_needs(program: Program) -> list[set[int]]:
    """For each step the earlier ones that it cannot overtake: rows of theirs that it reads or
    changes, and rows that it changes after them."""
    makers: dict[tuple[str, int], set[int]] = {}
    readers: dict[tuple[str, int], set[int]] = {}
    needs: list[set[int]] = []
    for now, step in enumerate(program.steps):
        op = program.ops[step.op]
        found: set[int] = set()
        for index, read in enumerate(op.reads):
            height = program.tensors[read.tensor].height
            for row in op.rows_read(index, step.row, height):
                found |= makers.get((read.tensor, row), set())
                readers.setdefault((read.tensor, row), set()).add(now)
        for index, write in enumerate(op.writes):
            for row in op.rows_made(step.row, index):
                key = (write.tensor, row)
                if op.updates or op.accumulates:
                    # What was there has been used as it was; who comes later wants what is new.
                    found |= makers.get(key, set()) | readers.get(key, set())
                    makers[key] = {now}
                else:
                    # Parts of a row, which do not meet.
                    makers.setdefault(key, set()).add(now)
        needs.append(found - {now})
    return needs


def schedule_steps(program: Program, cost: Callable[[Step], float], reach: int) -> CoreProgram:
    """`program` for two cores, no step more than `reach` unbegun ones ahead of its turn.

    `cost` is above 0. Steps of one operation begin in their order.
    """
    needs = step_needs(program)
    count = len(program.steps)
    previous: list[int | None] = [None] * count
    latest: dict[int, int] = {}
    for now, step in enumerate(program.steps):
        previous[now] = latest.get(step.op)
        latest[step.op] = now
    begin: dict[int, float] = {}
    end: dict[int, float] = {}
    core: dict[int, int] = {}
    free = [0.0] * CORES
    waiting = list(range(count))

    def ready(now: int) -> float | None:
        """When the step can begin; None while that is not known."""
        before = previous[now]
        if (before is not None and before not in begin) or not needs[now] <= end.keys():
            return None
        earliest = max((end[need] for need in needs[now]), default=0.0)
        return earliest if before is None else max(earliest, begin[before])

    while waiting:
        at = min(range(CORES), key=lambda number: free[number])
        best: tuple[float, int] | None = None
        for now in waiting[:reach]:
            when = ready(now)
            if when is None:
                continue
            start = max(when, free[at])
            if best is None or start < best[0]:
                best = start, now
            if start == free[at]:
                break
        assert best is not None  # the first one that waits needs nothing that waits
        start, chosen = best
        waiting.remove(chosen)
        begin[chosen], core[chosen] = start, at
        end[chosen] = free[at] = start + cost(program.steps[chosen])
    order = sorted(range(count), key=lambda now: (begin[now], now))
    return CoreProgram(
        replace(program, steps=tuple(program.steps[now] for now in order)),
        tuple(core[now] for now in order),
        tuple(begin[now] for now in order),
        tuple(end[now] for now in order),
    )
