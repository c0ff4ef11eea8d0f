"""The independent check of a plan for threads: no two meet inside a stage, and every row is right.

Shares nothing with the planner. Each stage is run thread by thread over a map that holds, for every
byte, which row it belongs to and which operation wrote it last. Since no byte that one thread
writes in a stage is touched by another one in that stage, which is checked first, the order of the
threads does not matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemnv2.streaming.bands import BandProgram, BandStep, Stage

if TYPE_CHECKING:
    from edgemnv2.memory.thread_plan import ThreadPlan

__all__ = ["find_thread_fault"]

NOBODY = -1
SCRATCH = -2
Place = tuple[str, int, int]
"""Home ("arena", or the name of a tensor of the caller's), first byte, byte after the last."""


def find_thread_fault(
    program: BandProgram, plan: ThreadPlan, scratch_bytes: Callable[[BandStep], int]
) -> str | None:
    """None if `plan` is sound for `program`, else the first fault, in words."""
    return _Check(program, plan, scratch_bytes).run()


class _Check:
    def __init__(
        self, program: BandProgram, plan: ThreadPlan, scratch_bytes: Callable[[BandStep], int]
    ) -> None:
        self.program = program
        self.plan = plan
        self.scratch_bytes = scratch_bytes
        self.number = {name: i for i, name in enumerate(sorted(program.tensors))}
        self.tallest = max(tensor.height for tensor in program.tensors.values())
        self.homes: dict[str, NDArray[np.int64]] = {
            "arena": np.full(plan.arena_bytes, NOBODY, np.int64)
        }
        for name in (program.input, program.output):
            self.homes[name] = np.full(program.tensors[name].size_bytes, NOBODY, np.int64)

    def owner(self, name: str, row: int, writer: int) -> int:
        """A number for "row `row` of `name`, last written by operation `writer`" (-1: caller)."""
        row_number = self.number[name] * self.tallest + row
        return row_number * (len(self.program.ops) + 1) + writer + 1

    def row_start(self, thread: int, name: str, row: int) -> tuple[str, int]:
        """Home and first byte of a row."""
        row_bytes = self.program.tensors[name].row_bytes
        if name in self.homes:
            return name, row * row_bytes
        if name in self.plan.shared:
            return "arena", self.plan.shared[name] + row * row_bytes
        ring = self.plan.private[thread, name]
        return "arena", ring.base + (row % ring.depth) * row_bytes

    def pieces(
        self, thread: int, step: BandStep, name: str, first: int, stop: int
    ) -> Iterator[tuple[int, Place]]:
        """Rows `first .. stop - 1` of `name`, or the pixels or channels of `step`, as bytes."""
        tensor = self.program.tensors[name]
        if step.unit == "rows":
            for row in range(first, stop):
                home, start = self.row_start(thread, name, row)
                yield row, (home, start, start + tensor.row_bytes)
            return
        # The step's share of the whole map; pixels and channels divide it evenly.
        total = self.split_total(step)
        share = tensor.size_bytes // total
        begin, end = step.first * share, (step.first + step.count) * share
        for row in range(begin // tensor.row_bytes, -(-end // tensor.row_bytes)):
            home, start = self.row_start(thread, name, row)
            low = max(begin - row * tensor.row_bytes, 0)
            high = min(end - row * tensor.row_bytes, tensor.row_bytes)
            yield row, (home, start + low, start + high)

    def split_total(self, step: BandStep) -> int:
        """Pixels or channels of the map that `step` makes a part of: the parts of all threads."""
        for stage in self.program.stages:
            if stage.first <= step.op < stage.last:
                parts = [s.count for steps in stage.steps for s in steps if s.op == step.op]
                return sum(parts)
        raise AssertionError(step)

    def reads(self, thread: int, step: BandStep) -> list[tuple[str, int, Place]]:
        op = self.program.ops[step.op]
        found = []
        for read in op.reads:
            height = self.program.tensors[read.tensor].height
            first = read.rows(step.first, height)
            stop = read.rows(step.first + step.count - 1, height).stop
            whole = step.unit == "channels"
            by = BandStep(step.op, 0, height) if whole else step
            rows = (0, height) if whole else (first.start, stop)
            for row, place in self.pieces(thread, by, read.tensor, *rows):
                found.append((read.tensor, row, place))
        return found

    def writes(self, thread: int, step: BandStep) -> list[tuple[str, int, Place]]:
        op = self.program.ops[step.op]
        rows = (0, 1) if op.accumulates else (step.first, step.first + step.count)
        return [
            (op.output, row, place) for row, place in self.pieces(thread, step, op.output, *rows)
        ]

    def run(self) -> str | None:
        program, source = self.program, self.program.input
        for row in range(program.tensors[source].height):
            home, start = self.row_start(0, source, row)
            stop = start + program.tensors[source].row_bytes
            self.homes[home][start:stop] = self.owner(source, row, -1)
        for number, stage in enumerate(program.stages):
            fault = self._collision(number, stage)
            for thread, steps in enumerate(stage.steps):
                for step in steps:
                    fault = fault or self._step(number, thread, step)
            if fault:
                return f"stage {number}: {fault}"
        return self._end()

    def _collision(self, number: int, stage: Stage) -> str | None:
        """Whether a byte that one thread writes is touched by another in the same stage."""
        for home, content in self.homes.items():
            writer = np.full(len(content), NOBODY, np.int64)
            for reading in (False, True):
                for thread, steps in enumerate(stage.steps):
                    for step in steps:
                        for place in self._touched(number, thread, step, reading):
                            if place[0] != home:
                                continue
                            if place[1] < 0 or place[2] > len(content):
                                return f"{self._name(step)}: leaves the {home}"
                            part = writer[place[1] : place[2]]
                            if ((part != NOBODY) & (part != thread)).any():
                                verb = "reads" if reading else "writes"
                                what = f"thread {thread} {verb} what another writes"
                                return f"{self._name(step)}: {what}"
                            if not reading:
                                part[:] = thread
        return None

    def _touched(self, number: int, thread: int, step: BandStep, reading: bool) -> list[Place]:
        if reading:
            return [place for _, _, place in self.reads(thread, step)]
        places = [place for _, _, place in self.writes(thread, step)]
        scratch = self._scratch(number, thread, step)
        return [*places, scratch] if scratch else places

    def _scratch(self, number: int, thread: int, step: BandStep) -> Place | None:
        size = self.scratch_bytes(step)
        if not size:
            return None
        base = self.plan.scratch[number, thread]
        return "arena", base, base + size

    def _name(self, step: BandStep) -> str:
        return f"{self.program.ops[step.op].name}[{step.first}]"

    def _step(self, number: int, thread: int, step: BandStep) -> str | None:
        program, op = self.program, self.program.ops[step.op]
        before = {
            name: max(
                (i for i, other in enumerate(program.ops[: step.op]) if other.output == name),
                default=-1,
            )
            for name in [op.output, *(read.tensor for read in op.reads)]
        }
        wanted = [
            (name, row, place, self.owner(name, row, before[name]))
            for name, row, place in self.reads(thread, step)
        ]
        outputs = self.writes(thread, step)
        if op.accumulates and step.first > 0:
            wanted += [
                (name, row, place, self.owner(name, row, step.op)) for name, row, place in outputs
            ]
        if not wanted:
            return f"{self._name(step)}: reads nothing"
        for name, row, (home, start, stop), owner in wanted:
            if not (self.homes[home][start:stop] == owner).all():
                return f"{self._name(step)}: {name}[{row}] is not made yet or overwritten"
        if step.count > 1:
            for places in (
                [w[2] for w in wanted if w[0] == op.reads[0].tensor],
                [o[2] for o in outputs],
            ):
                if any(a[2] != b[1] for a, b in itertools.pairwise(places)):
                    return f"{self._name(step)}: its rows are not contiguous"
        scratch = self._scratch(number, thread, step)
        if scratch:
            if scratch[1] % self.plan.align_bytes:
                return f"{self._name(step)}: scratch is not aligned"
            self.homes["arena"][scratch[1] : scratch[2]] = SCRATCH
            # Scratch over an input or the output shows below, or as a row that was overwritten.
            for name, row, (home, start, stop), owner in wanted:
                if not (self.homes[home][start:stop] == owner).all():
                    return f"{self._name(step)}: scratch meets {name}[{row}]"
        for name, row, (home, start, stop) in outputs:
            self.homes[home][start:stop] = self.owner(name, row, step.op)
        if scratch and not (self.homes["arena"][scratch[1] : scratch[2]] == SCRATCH).all():
            return f"{self._name(step)}: scratch meets the output"
        for name, row, (home, start, stop), owner in wanted:
            if name != op.output and not (self.homes[home][start:stop] == owner).all():
                return f"{self._name(step)}: output meets input {name}[{row}]"
        return None

    def _end(self) -> str | None:
        program, name = self.program, self.program.output
        last = max((i for i, op in enumerate(program.ops) if op.output == name), default=-1)
        for row in range(program.tensors[name].height):
            home, start = self.row_start(0, name, row)
            stop = start + program.tensors[name].row_bytes
            if not (self.homes[home][start:stop] == self.owner(name, row, last)).all():
                return f"end: {name}[{row}] was not made"
        return None
