"""The independent check of a plan: every step simulated, byte by byte.

Shares nothing with the planner: no live ranges, no intervals. Each arena byte carries the id of
the row that wrote it last; a step must find every byte of every row that it reads still owned by
that row, then its scratch and its output take theirs.
"""

from __future__ import annotations

import numpy as np

from edgemnv2.program import FEED, MemoryPlan, Program, RowOp

__all__ = ["find_fault"]

NOBODY = -1
SCRATCH = -2


def find_fault(program: Program, plan: MemoryPlan) -> str | None:
    """None if `plan` is sound for `program`, else the first fault, in words."""
    fault = _static_fault(program, plan)
    return fault if fault else _Simulation(program, plan).run()


def _static_fault(program: Program, plan: MemoryPlan) -> str | None:
    """Faults that need no simulation: bounds, alignment, missing placements."""
    used = {program.input, program.output}
    for op in program.ops:
        used |= {op.output, *(read.tensor for read in op.reads)}
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


class _Simulation:
    def __init__(self, program: Program, plan: MemoryPlan) -> None:
        self.program = program
        self.plan = plan
        self.owner = np.full(plan.arena_bytes, NOBODY, np.int64)
        names = sorted(program.tensors)
        tallest = max(tensor.height for tensor in program.tensors.values())
        self.first_id = {name: index * tallest for index, name in enumerate(names)}
        # (tensor, row) -> how many operations have written it.
        self.written: dict[tuple[str, int], int] = {}
        self.done = [0] * len(program.ops)
        self.fed_rows = 0

    def span(self, name: str, row: int) -> tuple[int, int]:
        start = self.plan.placements[name].offset(row)
        return start, start + self.program.tensors[name].row_bytes

    def row_id(self, name: str, row: int) -> int:
        return self.first_id[name] + row

    def take(self, name: str, row: int) -> None:
        self.written[name, row] = self.written.get((name, row), 0) + 1
        if name not in self.program.external:
            start, stop = self.span(name, row)
            self.owner[start:stop] = self.row_id(name, row)

    def intact(self, name: str, row: int) -> bool:
        if (name, row) not in self.written:
            return False
        if name in self.program.external:
            return True
        start, stop = self.span(name, row)
        return bool((self.owner[start:stop] == self.row_id(name, row)).all())

    def run(self) -> str | None:
        program = self.program
        if not program.fed:
            for row in range(program.tensors[program.input].height):
                self.take(program.input, row)
                if not self.intact(program.input, row):
                    return f"{program.input}[{row}]: rows of the input overlap"
        for number, step in enumerate(program.steps):
            if step.op == FEED:
                if step.row != self.fed_rows:
                    return f"step {number}: feeds row {step.row}, expected {self.fed_rows}"
                self.fed_rows += 1
                self.take(program.input, step.row)
                continue
            fault = self._step(program.ops[step.op], step.op, step.row)
            if fault:
                return f"step {number} {program.ops[step.op].name}[{step.row}]: {fault}"
        return self._end()

    def _step(self, op: RowOp, index: int, row: int) -> str | None:
        if row != self.done[index] or row >= op.steps:
            return f"out of order, expected row {self.done[index]}"
        self.done[index] += 1
        reads = [
            (read.tensor, r)
            for number, read in enumerate(op.reads)
            for r in op.rows_read(number, row, self.program.tensors[read.tensor].height)
        ]
        if op.updates or (op.accumulates and row > 0):
            reads += [(op.output, r) for r in op.rows_made(row)]
        if not reads:
            return "reads nothing"
        for name, r in reads:
            if not self._complete(name, r, index):
                return f"reads {name}[{r}], which is not made yet"
            if not self.intact(name, r):
                return f"reads {name}[{r}], which was overwritten"
        spans = {
            (name, r): self.span(name, r) for name, r in reads if name not in self.program.external
        }
        outputs = {}
        if op.output not in self.program.external:
            outputs = {(op.output, r): self.span(op.output, r) for r in op.rows_made(row)}
        if op.scratch_bytes:
            start = self.plan.scratch[op.name]
            for key, span in {**spans, **outputs}.items():
                if _meet((start, start + op.scratch_bytes), span):
                    return f"scratch meets {key[0]}[{key[1]}]"
            self.owner[start : start + op.scratch_bytes] = SCRATCH
        for key, span in outputs.items():
            for other, other_span in spans.items():
                if other != key and _meet(span, other_span):
                    return f"output meets input {other[0]}[{other[1]}]"
        for r in op.rows_made(row):
            self.take(op.output, r)
        for r in op.rows_made(row):
            if not self.intact(op.output, r):
                return f"rows of the output {op.output} overlap"
        return self._contiguous(op, row, reads)

    def _complete(self, name: str, row: int, reader: int) -> bool:
        """Whether every operation before `reader` that writes this row has done so."""
        for index, op in enumerate(self.program.ops[:reader]):
            if op.output != name:
                continue
            if op.accumulates:
                if self.done[index] < op.steps:
                    return False
            elif self.done[index] * op.rows_per_step <= row:
                return False
        return (name, row) in self.written

    def _contiguous(self, op: RowOp, step_row: int, reads: list[tuple[str, int]]) -> str | None:
        """A step of several rows needs them one behind the other."""
        if op.rows_per_step == 1:
            return None
        wanted = set(reads) | {(op.output, r) for r in op.rows_made(step_row)}
        for name, row in wanted:
            if name in self.program.external or (name, row + 1) not in wanted:
                continue
            if self.span(name, row)[1] != self.span(name, row + 1)[0]:
                return f"rows {row} and {row + 1} of {name} are not contiguous"
        return None

    def _end(self) -> str | None:
        program = self.program
        if program.fed and self.fed_rows != program.tensors[program.input].height:
            return f"end: {self.fed_rows} of {program.tensors[program.input].height} rows fed"
        for row in range(program.tensors[program.output].height):
            if not self._complete(program.output, row, len(program.ops)):
                return f"end: {program.output}[{row}] was not made"
            if not self.intact(program.output, row):
                return f"end: {program.output}[{row}] was overwritten"
        return None


def _meet(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]
