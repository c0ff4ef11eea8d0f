"""The independent check of a plan for threads: no two meet inside a stage, and every row is right.

Shares nothing with the planner. Each stage is run thread by thread over a map that holds, for every
byte, which row it belongs to and which operation wrote it last. Since no byte that one thread
writes in a stage is touched by another one in that stage, which is checked first, the order of the
threads does not matter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgemnv2.memory.grains import (
    NOBODY,
    Owners,
    grain_of,
    ops_in,
    owner_tables,
    tensors_in,
    whole_row,
)
from edgemnv2.memory.thread_memory import Ring, ThreadPlan
from edgemnv2.memory.verify import declared_fault, part_bytes
from edgemnv2.program import Program, writers_of
from edgemnv2.streaming.bands import BandProgram, BandStep, Stage

__all__ = ["find_thread_fault"]

SCRATCH = -2
NEVER = -3
GIVEN = -1


@dataclass(frozen=True, eq=False)
class Place:
    """Bytes `start .. stop - 1` of a home ("arena", or a tensor of the caller's); of them `mask`.

    `row` of `tensor` begins at `row_start`.
    """

    tensor: str
    row: int
    home: str
    row_start: int
    start: int
    stop: int
    mask: NDArray[np.bool_] | None = None


def find_thread_fault(
    program: BandProgram, plan: ThreadPlan, scratch_bytes: Callable[[BandStep], int]
) -> str | None:
    """None if `plan` is sound for `program`, else the first fault, in words."""
    declared = Program(
        program.tensors, program.ops, (), (), program.inputs, program.outputs, (), frozenset()
    )
    fault = declared_fault(declared)
    if fault:
        return fault
    grain = _grain(program, plan, scratch_bytes)
    coarse = replace(
        program, tensors=tensors_in(grain, program.tensors), ops=ops_in(grain, program.ops)
    )
    return Check(
        coarse, _plan_in(grain, plan), lambda step: scratch_bytes(step) // grain, grain
    ).run()


def _grain(program: BandProgram, plan: ThreadPlan, scratch_bytes: Callable[[BandStep], int]) -> int:
    """The largest one that divides places, sizes, and the parts of maps that are shared."""
    others = [*plan.shared.values(), *(ring.base for ring in plan.private.values())]
    others += plan.scratch.values()
    for stage in program.stages:
        for step in itertools.chain.from_iterable(stage.steps):
            others.append(scratch_bytes(step))
            if step.unit != "rows":
                op = program.ops[step.op]
                total = split_total(program, step)
                for name in (*op.outputs, *(read.tensor for read in op.reads)):
                    others.append(program.tensors[name].size_bytes // total)
    return grain_of(program.tensors, program.ops, others)


def _plan_in(grain: int, plan: ThreadPlan) -> ThreadPlan:
    return replace(
        plan,
        shared={name: base // grain for name, base in plan.shared.items()},
        private={k: Ring(ring.base // grain, ring.depth) for k, ring in plan.private.items()},
        scratch={k: base // grain for k, base in plan.scratch.items()},
        arena_bytes=-(-plan.arena_bytes // grain),
    )


def split_total(program: BandProgram, step: BandStep) -> int:
    """Pixels or channels of the map that `step` makes a part of: the parts of all threads."""
    for stage in program.stages:
        if stage.first <= step.op < stage.last:
            return sum(s.count for steps in stage.steps for s in steps if s.op == step.op)
    raise AssertionError(step)


class Check:
    """Owners of all bytes while the stages run; `run` gives the first fault."""

    def __init__(
        self,
        program: BandProgram,
        plan: ThreadPlan,
        scratch_bytes: Callable[[BandStep], int],
        grain: int,
    ) -> None:
        """All in grains of so many bytes, and alignment in bytes."""
        self.program = program
        self.grain = grain
        self.plan = plan
        self.scratch_bytes = scratch_bytes
        ends = {n: program.tensors[n].size_bytes for n in (*program.inputs, *program.outputs)}
        self.homes = owner_tables({"arena": plan.arena_bytes, **ends})
        self._numbers: dict[tuple[str, int, int, int], int] = {}
        self._expected: dict[tuple[str, int, int], Owners] = {}
        self._writers = writers_of(program.ops)

    def owner(self, name: str, row: int, writer: int, rows_held: int = 0) -> int:
        """A number for "row `row` of `name`, last written by operation `writer`"."""
        key = (name, row, writer, rows_held)
        return self._numbers.setdefault(key, 1 + len(self._numbers))

    def expected(self, name: str, row: int, reader: int) -> Owners:
        """Who must have written each byte of a row for operation `reader` to read it."""
        key = (name, row, reader)
        if key not in self._expected:
            size = self.program.tensors[name].row_bytes
            given = name in self.program.inputs
            found = whole_row(size, self.owner(name, row, GIVEN) if given else NEVER)
            for number, index in self._writers.get(name, ()):
                if number >= reader:
                    break
                op = self.program.ops[number]
                write = op.writes[index]
                last = op.rows_made(0 if op.accumulates else op.steps - 1, index)
                if write.first_row <= row < last.stop:
                    held = op.steps if op.accumulates else 0
                    by = whole_row(size, self.owner(name, row, number, held))
                    found = np.where(part_bytes(write, size), by, found) if write.part_bytes else by
            self._expected[key] = found
        return self._expected[key]

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
    ) -> Iterator[Place]:
        """Rows `first .. stop - 1` of `name`, or the pixels or channels of `step`, as bytes."""
        tensor = self.program.tensors[name]
        if step.unit == "rows":
            for row in range(first, stop):
                home, start = self.row_start(thread, name, row)
                yield Place(name, row, home, start, start, start + tensor.row_bytes)
            return
        # The step's share of the whole map; pixels and channels divide it evenly.
        total = split_total(self.program, step)
        share = tensor.size_bytes // total
        begin, end = step.first * share, (step.first + step.count) * share
        for row in range(begin // tensor.row_bytes, -(-end // tensor.row_bytes)):
            home, start = self.row_start(thread, name, row)
            low = max(begin - row * tensor.row_bytes, 0)
            high = min(end - row * tensor.row_bytes, tensor.row_bytes)
            yield Place(name, row, home, start, start + low, start + high)

    def reads(self, thread: int, step: BandStep) -> list[list[Place]]:
        """What a step reads, by operand."""
        op = self.program.ops[step.op]
        found = []
        for read in op.reads:
            height = self.program.tensors[read.tensor].height
            first = read.rows(step.first, height)
            stop = read.rows(step.first + step.count - 1, height).stop
            whole = step.unit == "channels"
            by = BandStep(step.op, 0, height) if whole else step
            rows = (0, height) if whole else (first.start, stop)
            found.append(list(self.pieces(thread, by, read.tensor, *rows)))
        return found

    def writes(self, thread: int, step: BandStep) -> list[list[Place]]:
        """What a step writes, by tensor."""
        op = self.program.ops[step.op]
        found = []
        for number, write in enumerate(op.writes):
            rows = op.rows_made(step.first // op.rows_per_step, number)
            places = self.pieces(thread, step, write.tensor, rows.start, rows.stop)
            if write.part_bytes:
                mask = part_bytes(write, self.program.tensors[write.tensor].row_bytes)
                places = (
                    Place(p.tensor, p.row, p.home, p.row_start, p.start, p.stop, mask)
                    for p in places
                )
            found.append(list(places))
        return found

    def run(self) -> str | None:
        """The first fault, or None."""
        program = self.program
        for source in program.inputs:
            for row in range(program.tensors[source].height):
                home, start = self.row_start(0, source, row)
                stop = start + program.tensors[source].row_bytes
                self.homes[home][start:stop] = self.owner(source, row, GIVEN)
        for number, stage in enumerate(program.stages):
            fault = self.collision_fault(number, stage)
            for thread, steps in enumerate(stage.steps):
                for step in steps:
                    fault = fault or self._step(number, thread, step)
            if fault:
                return f"stage {number}: {fault}"
        return self.end_fault()

    def collision_fault(self, number: int, stage: Stage) -> str | None:
        """Whether a byte that one thread writes is touched by another in the same stage."""
        writers = {home: np.zeros(len(b), np.int16) for home, b in self.homes.items()}
        for reading in (False, True):
            for thread, steps in enumerate(stage.steps):
                for step in steps:
                    for place in self._touched(number, thread, step, reading):
                        content = writers[place.home]
                        if place.start < 0 or place.stop > len(content):
                            return f"{self._name(step)}: leaves the {place.home}"
                        part = content[place.start : place.stop]
                        seen = part if place.mask is None else part[place.mask]
                        if ((seen != NOBODY) & (seen != 1 + thread)).any():
                            verb = "reads" if reading else "writes"
                            what = f"thread {thread} {verb} what another writes"
                            return f"{self._name(step)}: {what}"
                        if not reading:
                            part[slice(None) if place.mask is None else place.mask] = 1 + thread
        return None

    def _touched(self, number: int, thread: int, step: BandStep, reading: bool) -> list[Place]:
        if reading:
            return [place for places in self.reads(thread, step) for place in places]
        found = [place for places in self.writes(thread, step) for place in places]
        scratch = self._scratch(number, thread, step)
        return [*found, scratch] if scratch else found

    def _scratch(self, number: int, thread: int, step: BandStep) -> Place | None:
        size = self.scratch_bytes(step)
        if not size:
            return None
        base = self.plan.scratch[number, thread]
        return Place("", 0, "arena", base, base, base + size)

    def _name(self, step: BandStep) -> str:
        return f"{self.program.ops[step.op].name}[{step.first}]"

    def _owners(self, place: Place) -> Owners:
        part = self.homes[place.home][place.start : place.stop]
        return part if place.mask is None else part[place.mask]

    def _wanted(self, place: Place, reader: int) -> Owners:
        row = self.expected(place.tensor, place.row, reader)
        part = row[place.start - place.row_start : place.stop - place.row_start]
        return part if place.mask is None else part[place.mask]

    def _own(self, step: BandStep, writes: list[list[Place]]) -> list[tuple[Place, Owners]]:
        """Rows that the step changes, and who must have made them: sums, or rows in place."""
        op = self.program.ops[step.op]
        found = []
        for place in itertools.chain.from_iterable(writes):
            if op.updates:
                found.append((place, self._wanted(place, step.op)))
            elif op.accumulates and step.first > 0:
                sums = self.owner(place.tensor, place.row, step.op, step.first)
                found.append((place, whole_row(len(self._owners(place)), sums)))
        return found

    def reads_fault(self, wanted: list[tuple[Place, Owners]]) -> str | None:
        """Whether a byte that is read was not written by its last writer, or is gone."""
        for place, owners in wanted:
            if not (self._owners(place) == owners).all():
                return f"{place.tensor}[{place.row}] is not made yet or overwritten"
        return None

    def _step(self, number: int, thread: int, step: BandStep) -> str | None:
        op, name = self.program.ops[step.op], self._name(step)
        reads, writes = self.reads(thread, step), self.writes(thread, step)
        wanted = [(p, self._wanted(p, step.op)) for places in reads for p in places]
        if not wanted and not any(read.fill is not None for read in op.reads):
            return f"{name}: reads nothing"
        scratch = self._scratch(number, thread, step)
        made = list(itertools.chain.from_iterable(writes))
        read = [place for place, _ in wanted]
        fault = (
            self.reads_fault(wanted + self._own(step, writes))
            or self.contiguous_fault(step, reads, writes)
            or self.scratch_fault(scratch, [*read, *made])
            or self.outputs_fault(step, read, made)
        )
        if fault:
            return f"{name}: {fault}"
        if scratch:
            self.homes["arena"][scratch.start : scratch.stop] = SCRATCH
        held = step.first + 1 if op.accumulates else 0
        for place in made:
            part = self.homes[place.home][place.start : place.stop]
            by = self.owner(place.tensor, place.row, step.op, held)
            part[slice(None) if place.mask is None else place.mask] = by
        return None

    def scratch_fault(self, scratch: Place | None, touched: list[Place]) -> str | None:
        """Whether scratch is aligned, and apart from what the step reads and makes."""
        if scratch is None:
            return None
        if scratch.start * self.grain % self.plan.align_bytes:
            return "scratch is not aligned"
        for place in touched:
            if _meet(scratch, place):
                return f"scratch meets {place.tensor}[{place.row}]"
        return None

    def outputs_fault(self, step: BandStep, read: list[Place], made: list[Place]) -> str | None:
        """Whether what the step makes lies on what it reads, or on itself."""
        op = self.program.ops[step.op]
        for number, place in enumerate(made):
            for other in made[:number]:
                if _meet(place, other):
                    return f"output {place.tensor}[{place.row}] meets {other.tensor}[{other.row}]"
            for other in read:
                if op.updates and (other.tensor, other.row) == (place.tensor, place.row):
                    continue
                if _meet(place, other):
                    return f"output meets input {other.tensor}[{other.row}]"
        return None

    def contiguous_fault(
        self, step: BandStep, reads: list[list[Place]], writes: list[list[Place]]
    ) -> str | None:
        """Rows that go through one pointer lie one behind the other."""
        op = self.program.ops[step.op]
        groups = [
            places
            for read, places in zip(op.reads, reads, strict=True)
            if read.contiguous or step.count > 1
        ]
        for places in [*groups, *writes]:
            if any(a.stop != b.start for a, b in itertools.pairwise(places)):
                return "its rows are not contiguous"
        return None

    def end_fault(self) -> str | None:
        """Every byte of every output is there."""
        program = self.program
        for name in program.outputs:
            size = program.tensors[name].row_bytes
            for row in range(program.tensors[name].height):
                owners = self.homes[name][row * size : (row + 1) * size]
                if not (owners == self.expected(name, row, len(program.ops))).all():
                    return f"end: {name}[{row}] was not made"
        return None


def _meet(a: Place, b: Place) -> bool:
    if a.home != b.home or a.start >= b.stop or b.start >= a.stop:
        return False
    low, high = max(a.start, b.start), min(a.stop, b.stop)
    both = np.ones(high - low, np.bool_)
    for place in (a, b):
        if place.mask is not None:
            both &= place.mask[low - place.start : high - place.start]
    return bool(both.any())
