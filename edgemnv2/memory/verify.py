"""The independent check of a plan: every step simulated, byte by byte.

Shares nothing with the planner: no live ranges, no intervals. Each byte of the arena, and of every
tensor in the caller's memory, carries who wrote it last: which operation, for which row of which
tensor, and for sums how many rows they hold. A step must find every byte of every row that it reads
written by the last operation before its own that declares to write it; then its scratch and its
outputs take theirs. Bytes that are always touched together share an entry (`grains`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgemnv2.memory.grains import (
    Owners,
    expect_checkable,
    grain_of,
    ops_in,
    owner_tables,
    plan_in,
    tensors_in,
    whole_row,
)
from edgemnv2.program import MemoryPlan, Program, Read, RowOp, Write, writers_of

__all__ = ["find_fault", "part_bytes"]

SCRATCH = -2
NEVER = -3
"""Expected of a byte that no operation makes: no byte has this owner."""
ANYBODY = -4
"""Expected of a byte that a step does not look at."""
GIVEN = -1
"""In place of an operation: the caller, of an input."""


def find_fault(program: Program, plan: MemoryPlan) -> str | None:
    """None if `plan` is sound for `program`, else the first fault, in words.

    DoesNotFit where the plan is too large to be checked.
    """
    return (
        declared_fault(program)
        or placed_fault(program, plan)
        or Simulation(*in_grains(program, plan)).run()
    )


def in_grains(program: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan, int]:
    """The same in larger units than bytes, where that makes no difference; bytes of a unit."""
    slots = (slot for placement in plan.placements.values() for slot in placement.slots)
    scratch = (op.scratch_bytes for op in program.ops)
    grain = grain_of(
        program.tensors, program.ops, itertools.chain(slots, scratch, plan.scratch.values())
    )
    coarse = replace(
        program, tensors=tensors_in(grain, program.tensors), ops=ops_in(grain, program.ops)
    )
    return coarse, plan_in(grain, plan), grain


def part_bytes(write: Write, row_bytes: int) -> NDArray[np.bool_]:
    """Which bytes of a row of `row_bytes` a `write` makes; `[row_bytes]`."""
    if write.part_bytes == 0:
        return np.ones(row_bytes, np.bool_)
    mask = np.zeros(row_bytes, np.bool_)
    for start in range(write.offset_bytes, row_bytes, write.pitch_bytes or row_bytes):
        mask[start : start + write.part_bytes] = True
    return mask


# -- faults of the program itself ------------------------------------------------------------------


def declared_fault(program: Program) -> str | None:
    """What operations declare that cannot be: ends, rows outside, writers that meet."""
    grain = grain_of(program.tensors, program.ops, ())
    program = replace(
        program, tensors=tensors_in(grain, program.tensors), ops=ops_in(grain, program.ops)
    )
    for check in (ends_fault, outside_fault, writers_fault):
        fault = check(program)
        if fault:
            return fault
    return None


def ends_fault(program: Program) -> str | None:
    """Ends that are no tensors, or the same one twice."""
    ends = [*program.inputs, *program.outputs]
    for name in ends:
        if name not in program.tensors:
            return f"{name}: no such tensor"
        if ends.count(name) > 1:
            return f"{name}: two ends are one tensor"
    for name in program.fed:
        if name not in program.inputs:
            return f"{name}: fed, but not an input"
    return None


def outside_fault(program: Program) -> str | None:
    """Reads that leave their tensor with nothing to stand for the rows outside."""
    for op in program.ops:
        for read in op.reads:
            if read.divisor < 1 or not 0 <= read.phase < read.divisor or read.stride < 0:
                return f"{op.name}: reads {read.tensor} by no monotone function"
            height = program.tensors[read.tensor].height
            last = read.first(op.steps * op.rows_per_step - 1) + read.window - 1
            outside = read.first(0) < 0 or last >= height
            if outside and read.fill is None and not read.edge:
                return f"{op.name}: reads {read.tensor} past its {height} rows"
            if outside and (read.contiguous or op.rows_per_step > 1):
                return f"{op.name}: rows outside of {read.tensor} cannot be contiguous"
    return None


def writers_fault(program: Program) -> str | None:
    """Two operations that make one byte, without the second changing it in place."""
    written = writers_of(program.ops)
    for name, tensor in program.tensors.items():
        writers = [(program.ops[number], index) for number, index in written.get(name, ())]
        if len(writers) == 1 and writers[0][0].writes[writers[0][1]].is_plain:
            # Its rows are apart from one another; their number is checked below.
            op = writers[0][0]
            if not op.accumulates and op.steps * op.rows_per_step > tensor.height:
                return f"{op.name}: makes more rows than {name} has"
            continue
        expect_checkable(name, tensor.size_bytes)
        made = np.zeros((tensor.height, tensor.row_bytes), np.bool_)
        for op, index in writers:
            write = op.writes[index]
            fault = _part_fault(op, write, tensor.row_bytes)
            if fault:
                return fault
            mask = part_bytes(write, tensor.row_bytes)
            for row in [0] if op.accumulates else range(op.steps):
                rows = op.rows_made(row, index)
                if rows.start < 0 or rows.stop > tensor.height:
                    return f"{op.name}: makes row {rows.stop - 1} of {name}, which has fewer"
                part = made[rows.start : rows.stop, mask]
                if op.updates and not part.all():
                    return f"{op.name}: changes bytes of {name} that nobody has made"
                if not op.updates and part.any():
                    return f"{op.name}: makes bytes of {name} that another one makes, too"
                made[rows.start : rows.stop, mask] = True
    return None


def _part_fault(op: RowOp, write: Write, row_bytes: int) -> str | None:
    if write.part_bytes == 0:
        return f"{op.name}: an offset needs a part" if write.offset_bytes else None
    pitch = write.pitch_bytes or row_bytes
    if write.offset_bytes < 0 or write.offset_bytes + write.part_bytes > pitch:
        return f"{op.name}: its part of {write.tensor} is more than the pitch"
    if row_bytes % pitch:
        return f"{op.name}: the pitch does not divide the rows of {write.tensor}"
    return None


# -- faults of the places --------------------------------------------------------------------------


def placed_fault(program: Program, plan: MemoryPlan) -> str | None:
    """Faults of the plan that need no simulation: bounds, alignment, missing places."""
    used = {*program.inputs, *program.outputs}
    for op in program.ops:
        used |= {*op.outputs, *(read.tensor for read in op.reads)}
    for name in sorted(used - program.external):
        tensor = program.tensors[name]
        if name not in plan.placements:
            return f"{name}: not placed"
        for slot in plan.placements[name].slots:
            if slot < 0 or slot + tensor.row_bytes > plan.arena_bytes:
                return f"{name}: row at {slot} leaves the arena of {plan.arena_bytes} bytes"
            if slot % tensor.align_bytes:
                return f"{name}: row at {slot} is not aligned to {tensor.align_bytes}"
    for op in program.ops:
        if not op.scratch_bytes:
            continue
        base = plan.scratch.get(op.name)
        if base is None:
            return f"{op.name}: scratch not placed"
        if base < 0 or base + op.scratch_bytes > plan.arena_bytes:
            return f"{op.name}: scratch at {base} leaves the arena of {plan.arena_bytes} bytes"
        if base % plan.align_bytes:
            return f"{op.name}: scratch at {base} is not aligned to {plan.align_bytes}"
    return None


# -- the simulation --------------------------------------------------------------------------------


class Simulation:
    """Owners of all bytes while the steps run; `run` gives the first fault."""

    def __init__(self, program: Program, plan: MemoryPlan, grain: int = 1) -> None:
        """`program` and `plan` in grains of so many bytes, which only messages need."""
        self.program = program
        self.plan = plan
        self.grain = grain
        sizes = {
            name: program.tensors[name].size_bytes
            for name in program.external
            if name in program.tensors
        }
        self.outside = owner_tables({"": plan.arena_bytes, **sizes})
        self.arena = self.outside.pop("")
        self.done = [0] * len(program.ops)
        self.fed_rows = dict.fromkeys(program.fed, 0)
        self._numbers: dict[tuple[str, int, int, int], int] = {}
        self._expected: dict[tuple[str, int, int], Owners] = {}
        self._writers: dict[str, list[tuple[int, int]]] = {}
        for number, op in enumerate(program.ops):
            for index, write in enumerate(op.writes):
                self._writers.setdefault(write.tensor, []).append((number, index))

    def owner(self, name: str, row: int, op: int, rows_held: int = 0) -> int:
        """A number for "row `row` of `name`, written by `op`"; of sums, how many rows they hold."""
        return self._numbers.setdefault((name, row, op, rows_held), 1 + len(self._numbers))

    def scratch_start(self, number: int) -> int:
        """Where the scratch of operation `number` begins, for the step that runs now."""
        return self.plan.scratch[self.program.ops[number].name]

    def bytes_of(self, name: str, row: int) -> Owners:
        """The owners of the bytes of a row; a view."""
        size = self.program.tensors[name].row_bytes
        if name in self.outside:
            return self.outside[name][row * size : (row + 1) * size]
        start = self.plan.placements[name].offset(row)
        return self.arena[start : start + size]

    def span(self, name: str, row: int) -> tuple[str, int, int]:
        """Where the bytes of a row are: home, first byte, byte behind the last."""
        size = self.program.tensors[name].row_bytes
        if name in self.outside:
            return name, row * size, (row + 1) * size
        start = self.plan.placements[name].offset(row)
        return "", start, start + size

    def expected(self, name: str, row: int, reader: int) -> Owners:
        """Who must have written each byte of a row for operation `reader` to read it."""
        key = (name, row, reader)
        if key not in self._expected:
            size = self.program.tensors[name].row_bytes
            given = name in self.program.inputs
            found = whole_row(size, self.owner(name, row, GIVEN) if given else NEVER)
            for number, index in self._writers.get(name, ()):
                op = self.program.ops[number]
                write = op.writes[index]
                rows = range(
                    write.first_row,
                    op.rows_made(0 if op.accumulates else op.steps - 1, index).stop,
                )
                if number < reader and row in rows:
                    held = op.steps if op.accumulates else 0
                    owner = self.owner(name, row, number, held)
                    if write.part_bytes:
                        found = np.where(part_bytes(write, size), np.int32(owner), found)
                    else:
                        found = whole_row(size, owner)
            self._expected[key] = found
        return self._expected[key]

    def run(self) -> str | None:
        """The first fault, or None."""
        program = self.program
        for name in program.inputs:
            if name in program.fed:
                continue
            rows = range(program.tensors[name].height)
            for row in rows:
                self.bytes_of(name, row)[:] = self.owner(name, row, GIVEN)
        for name in program.inputs:
            if name not in program.fed:
                for row in range(program.tensors[name].height):
                    if not (self.bytes_of(name, row) == self.owner(name, row, GIVEN)).all():
                        return f"{name}[{row}]: rows of the input overlap"
        for number, step in enumerate(program.steps):
            fed = program.fed_by(step)
            if fed is not None:
                fault = self.feed_fault(fed, step.row)
                if fault:
                    return f"step {number}: {fault}"
                self.bytes_of(fed, step.row)[:] = self.owner(fed, step.row, GIVEN)
                continue
            fault = self._step(step.op, step.row)
            if fault:
                return f"step {number} {program.ops[step.op].name}[{step.row}]: {fault}"
        return self.end_fault()

    def feed_fault(self, name: str, row: int) -> str | None:
        """Rows are fed in order, each once."""
        expected = self.fed_rows[name]
        self.fed_rows[name] = row + 1
        if row != expected:
            return f"feeds row {row} of {name}, expected {expected}"
        return None

    def _step(self, number: int, row: int) -> str | None:
        op = self.program.ops[number]
        fault = self.order_fault(number, row)
        if fault:
            return fault
        self.done[number] += 1
        reads = self._reads(number, row)
        if not reads and not any(read.fill is not None for read in op.reads):
            return "reads nothing"
        reads += self._own(number, row)
        fault = (
            self.reads_fault(reads)
            or self.contiguous_fault(op, row)
            or self.scratch_fault(number, row)
            or self.outputs_fault(number, row)
        )
        if fault:
            return fault
        if op.scratch_bytes:
            start = self.scratch_start(number)
            self.arena[start : start + op.scratch_bytes] = SCRATCH
        self._write(number, row)
        return None

    def order_fault(self, number: int, row: int) -> str | None:
        """Steps of an operation come one after the other, each once."""
        if row != self.done[number] or row >= self.program.ops[number].steps:
            return f"out of order, expected row {self.done[number]}"
        return None

    def _reads(self, number: int, row: int) -> list[tuple[str, int, Owners]]:
        """(tensor, row, who must own its bytes) of the operands of a step."""
        op = self.program.ops[number]
        return [
            (read.tensor, r, self.expected(read.tensor, r, number))
            for index, read in enumerate(op.reads)
            for r in op.rows_read(index, row, self.program.tensors[read.tensor].height)
        ]

    def _own(self, number: int, row: int) -> list[tuple[str, int, Owners]]:
        """The same for rows that the step changes: made before, or sums that are under way."""
        op = self.program.ops[number]
        found = []
        for index, write in enumerate(op.writes):
            for r in op.rows_made(row, index):
                if op.updates:
                    wanted = self.expected(write.tensor, r, number)
                elif op.accumulates and row > 0:
                    sums = self.owner(write.tensor, r, number, row)
                    size = self.program.tensors[write.tensor].row_bytes
                    wanted = whole_row(size, sums)
                else:
                    continue
                # Only its own part must be there.
                mask = part_bytes(write, len(wanted))
                found.append((write.tensor, r, np.where(mask, wanted, np.int32(ANYBODY))))
        return found

    def _write(self, number: int, row: int) -> None:
        op = self.program.ops[number]
        for index, write in enumerate(op.writes):
            for r in op.rows_made(row, index):
                owners = self.bytes_of(write.tensor, r)
                held = row + 1 if op.accumulates else 0
                owners[part_bytes(write, len(owners))] = self.owner(write.tensor, r, number, held)

    def _wrong(self, name: str, row: int, wanted: Owners) -> int | None:
        """The first byte of a row that has another owner than it should."""
        wrong = self.bytes_of(name, row) != wanted
        if wrong.any():
            wrong &= wanted != ANYBODY
            if wrong.any():
                return int(wrong.argmax())
        return None

    def reads_fault(self, reads: Sequence[tuple[str, int, Owners]]) -> str | None:
        """Whether a byte that is read was not written by its last writer, or is gone."""
        for name, row, wanted in reads:
            at = self._wrong(name, row, wanted)
            if at is not None:
                return f"reads {name}[{row}], which {self._why(name, row, at, int(wanted[at]))}"
        return None

    def _why(self, name: str, row: int, at: int, owner: int) -> str:
        if owner == NEVER:
            return f"nobody makes (byte {at * self.grain})"
        return "was overwritten" if self._is_made(name, row, owner) else "is not made yet"

    def _is_made(self, name: str, row: int, owner: int) -> bool:
        """Whether the writer that `owner` stands for has come to this row already."""
        for (tensor, at, number, held), found in self._numbers.items():
            if found != owner:
                continue
            assert (tensor, at) == (name, row)
            if number == GIVEN:
                return name not in self.program.fed or row < self.fed_rows[name]
            op = self.program.ops[number]
            if op.accumulates:
                return self.done[number] >= held
            index = op.outputs.index(name)
            return any(row in op.rows_made(r, index) for r in range(self.done[number]))
        return False

    def scratch_fault(self, number: int, row: int) -> str | None:
        """Whether scratch lies on what the step reads or makes."""
        op = self.program.ops[number]
        if not op.scratch_bytes:
            return None
        start = self.scratch_start(number)
        scratch = ("", start, start + op.scratch_bytes)
        every = np.ones(op.scratch_bytes, np.bool_)
        for name, r, _ in self._reads(number, row):
            if _meet(scratch, self.span(name, r)):
                return f"scratch meets {name}[{r}]"
        for at, write in enumerate(op.writes):
            mask = part_bytes(write, self.program.tensors[write.tensor].row_bytes)
            for r in op.rows_made(row, at):
                if _bytes_meet(scratch, every, self.span(write.tensor, r), mask):
                    return f"scratch meets {write.tensor}[{r}]"
        return None

    def outputs_fault(self, number: int, row: int) -> str | None:
        """Whether what the step makes lies on what it reads, or on itself."""
        op = self.program.ops[number]
        made = [
            (name, r, self.span(name, r), part_bytes(write, self.program.tensors[name].row_bytes))
            for at, (name, write) in enumerate(zip(op.outputs, op.writes, strict=True))
            for r in op.rows_made(row, at)
        ]
        for at, (name, r, span, mask) in enumerate(made):
            for other, other_row, other_span, other_mask in made[:at]:
                if _bytes_meet(span, mask, other_span, other_mask):
                    return f"output {name}[{r}] meets output {other}[{other_row}]"
            for source, source_row, _ in self._reads(number, row):
                if op.updates and (source, source_row) == (name, r):
                    continue
                source_span = self.span(source, source_row)
                every = np.ones(source_span[2] - source_span[1], np.bool_)
                if _bytes_meet(span, mask, source_span, every):
                    return f"output meets input {source}[{source_row}]"
        return None

    def contiguous_fault(self, op: RowOp, step_row: int) -> str | None:
        """Rows that go through one pointer lie one behind the other."""
        groups: list[tuple[str, range]] = []
        for index, read in enumerate(op.reads):
            if _is_one_pointer(op, read):
                height = self.program.tensors[read.tensor].height
                groups.append((read.tensor, op.rows_read(index, step_row, height)))
        groups += [(name, op.rows_made(step_row, at)) for at, name in enumerate(op.outputs)]
        for name, rows in groups:
            for row in rows[:-1]:
                if self.span(name, row)[2] != self.span(name, row + 1)[1]:
                    return f"rows {row} and {row + 1} of {name} are not contiguous"
        return None

    def end_fault(self) -> str | None:
        """All rows fed, every byte of every output there."""
        program = self.program
        for name, count in self.fed_rows.items():
            if count != program.tensors[name].height:
                return f"end: {count} of {program.tensors[name].height} rows of {name} fed"
        for name in program.outputs:
            for row in range(program.tensors[name].height):
                wanted = self.expected(name, row, len(program.ops))
                at = self._wrong(name, row, wanted)
                if at is not None:
                    return f"end: {name}[{row}] {self._why(name, row, at, int(wanted[at]))}"
        return None


def _is_one_pointer(op: RowOp, read: Read) -> bool:
    return read.contiguous or op.rows_per_step > 1


def _meet(a: tuple[str, int, int], b: tuple[str, int, int]) -> bool:
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _bytes_meet(
    a: tuple[str, int, int],
    a_mask: NDArray[np.bool_],
    b: tuple[str, int, int],
    b_mask: NDArray[np.bool_],
) -> bool:
    """Whether two places share a byte that both masks, which begin with them, have."""
    if not _meet(a, b):
        return False
    low, high = max(a[1], b[1]), min(a[2], b[2])
    both = a_mask[low - a[1] : high - a[1]] & b_mask[low - b[1] : high - b[1]]
    return bool(both.any())
