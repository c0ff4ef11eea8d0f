"""One arena for two cores, and which step waits for which of the other core's.

Rows are placed as for one core, in the order in which steps begin, with one difference: a row is in
use until the steps that use it are expected to have ended, not begun. So no step is expected to
wait for a place. Whether it has to is then read off the places themselves, byte by byte, for every
pair of steps of the two cores: an estimate that is wrong costs waiting, never a row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgemnv2.memory.core_verify import find_core_fault
from edgemnv2.memory.items import Item, row_items, scratch_item
from edgemnv2.memory.live import LiveRows, live_rows
from edgemnv2.memory.planner import plan_items
from edgemnv2.program import MemoryPlan, Program, Step
from edgemnv2.streaming.two_cores import CORES, CoreProgram, schedule_steps

__all__ = ["CorePlan", "core_scratch", "plan_cores", "replay_span", "step_waits"]

REACHES = (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Steps ahead of their turn that may begin: the more, the better the cores share, and the more rows
are kept."""


@dataclass(frozen=True)
class CorePlan:
    """A program for two cores with its places; `waits[i]`: so many of the other core's steps must
    have ended before step `i` begins, 0 where that is known already.

    Scratch of an operation is `core_scratch(name, core)` in `plan.scratch`.
    """

    cores: CoreProgram
    plan: MemoryPlan
    waits: tuple[int, ...]


def core_scratch(name: str, core: int) -> str:
    """Whose scratch it is in a plan for two cores: both may run one operation at once."""
    return f"{name}@{core}"


def plan_cores(
    program: Program, cost: Callable[[Step], float], most_bytes: int, align_bytes: int
) -> CorePlan:
    """`program`, made for one core, on two: the shortest that is expected of an arena of at most
    `most_bytes`, or the smallest arena where there is none. Checked before it is returned."""
    # Reaches that give the same order are one.
    by_order = {s.program.steps: s for s in (schedule_steps(program, cost, r) for r in REACHES)}
    best: tuple[CoreProgram, MemoryPlan] | None = None
    for cores in sorted(by_order.values(), key=lambda one: one.span):
        live = _expected_rows(cores)
        if best is not None and _peak_bytes(cores.program, live) >= best[1].arena_bytes:
            continue
        items = {**row_items(cores.program, live, align_bytes), **_scratch_items(cores)}
        plan = plan_items(cores.program, live, items, align_bytes)
        if best is None or plan.arena_bytes < best[1].arena_bytes:
            best = cores, plan
        if plan.arena_bytes <= most_bytes:
            break
    assert best is not None
    cores, plan = best
    made = CorePlan(cores, plan, step_waits(cores, plan))
    fault = find_core_fault(cores.program, cores.core, plan, made.waits, core_scratch)
    assert fault is None, fault
    return made


def _last_begun(cores: CoreProgram, end: float) -> int:
    """The last step that begins before `end`."""
    return bisect_left(cores.begin, end) - 1


def _expected_rows(cores: CoreProgram) -> dict[str, LiveRows]:
    """Live ranges that last until the steps that use a row are expected to have ended."""
    program = cores.program
    until: dict[tuple[str, int], int] = {}
    for now, step in enumerate(program.steps):
        op = program.ops[step.op]
        last = _last_begun(cores, cores.end[now])
        for index, read in enumerate(op.reads):
            for row in op.rows_read(index, step.row, program.tensors[read.tensor].height):
                until[read.tensor, row] = max(last, until.get((read.tensor, row), 0))
        for index, name in enumerate(op.outputs):
            for row in op.rows_made(step.row, index):
                until[name, row] = max(last, until.get((name, row), 0))
    return {
        name: LiveRows(
            rows.first,
            np.array(
                [max(int(last), until.get((name, row), 0)) for row, last in enumerate(rows.last)],
                np.int64,
            ),
            rows.row_bytes,
        )
        for name, rows in live_rows(program).items()
    }


def _peak_bytes(program: Program, live: Mapping[str, LiveRows]) -> int:
    change = np.zeros(len(program.steps) + 2, np.int64)
    for name, rows in live.items():
        if name not in program.external:
            np.add.at(change, np.maximum(rows.first, 0), rows.row_bytes)
            np.add.at(change, rows.last + 1, -rows.row_bytes)
    return int(np.cumsum(change).max())


def _scratch_items(cores: CoreProgram) -> dict[str, Item]:
    program = cores.program
    times: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for now, (step, core) in enumerate(zip(program.steps, cores.core, strict=True)):
        if program.ops[step.op].scratch_bytes:
            span = (now, _last_begun(cores, cores.end[now]))
            times.setdefault((step.op, core), []).append(span)
    items: dict[str, Item] = {}
    for (index, core), spans in sorted(times.items()):
        op = program.ops[index]
        first, last = np.array(spans, np.int64).T
        items |= scratch_item(core_scratch(op.name, core), op.scratch_bytes, first, last)
    return items


# -- waiting ---------------------------------------------------------------------------------------

_Access = tuple[str, int, int, bool]
"""Home, first byte, byte behind the last, whether they are written."""


def _accesses(program: Program, plan: MemoryPlan, step: Step, core: int) -> list[_Access]:
    """The bytes that a step touches."""
    op = program.ops[step.op]
    found: list[_Access] = []

    def rows(name: str, numbers: range, writes: bool) -> None:
        size = program.tensors[name].row_bytes
        for row in numbers:
            outside = name in program.external
            start = row * size if outside else plan.placements[name].offset(row)
            found.append((name if outside else "", start, start + size, writes))

    for index, read in enumerate(op.reads):
        rows(
            read.tensor,
            op.rows_read(index, step.row, program.tensors[read.tensor].height),
            writes=False,
        )
    for index, name in enumerate(op.outputs):
        rows(name, op.rows_made(step.row, index), writes=True)
    if op.scratch_bytes:
        start = plan.scratch[core_scratch(op.name, core)]
        found.append(("", start, start + op.scratch_bytes, True))
    return found


def _conflict(mine: Sequence[_Access], others: Sequence[_Access]) -> bool:
    return any(
        (w or v) and home == other and a < d and c < b
        for home, a, b, w in mine
        for other, c, d, v in others
    )


def step_waits(cores: CoreProgram, plan: MemoryPlan) -> tuple[int, ...]:
    """How many steps of the other core each step has to wait for; 0: none that it must ask for."""
    program = cores.program
    done: list[list[list[_Access]]] = [[] for _ in range(CORES)]
    known = [0] * CORES
    waits = []
    for step, core in zip(program.steps, cores.core, strict=True):
        mine = _accesses(program, plan, step, core)
        others = done[1 - core]
        need = len(others)
        while need > known[core] and not _conflict(mine, others[need - 1]):
            need -= 1
        waits.append(need if need > known[core] else 0)
        known[core] = max(known[core], need)
        done[core].append(mine)
    return tuple(waits)


def replay_span(made: CorePlan, took: Sequence[float]) -> tuple[float, tuple[float, float]]:
    """When the last step ends if step `i` takes `took[i]`, and how long each core was at work."""
    ends: list[list[float]] = [[] for _ in range(CORES)]
    work = [0.0] * CORES
    for core, wait, long in zip(made.cores.core, made.waits, took, strict=True):
        begin = ends[core][-1] if ends[core] else 0.0
        if wait:
            begin = max(begin, ends[1 - core][wait - 1])
        ends[core].append(begin + long)
        work[core] += long
    return max(end[-1] for end in ends if end), (work[0], work[1])
