"""The independent check of a plan for two cores: no two steps meet that nothing keeps apart.

Shares nothing with the planner. Two things make such a plan sound. In the order in which steps are
listed, one core alone would find every row as it was made; the simulation of `verify` sees to that,
with the scratch of each step's own core. And whatever two steps of different cores touch, one of
them writing, the later one has been made to wait for the earlier one: every byte remembers the last
step of each core that read and that wrote it. Then every way in which the cores may run gives what
the listed order gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from edgemnv2.memory.grains import expect_checkable
from edgemnv2.memory.verify import Simulation, declared_fault, part_bytes, placed_fault
from edgemnv2.program import MemoryPlan, Program

__all__ = ["find_core_fault"]

CORES = 2
Counts = NDArray[np.int32]
ScratchName = Callable[[str, int], str]


def find_core_fault(
    program: Program,
    core: Sequence[int],
    plan: MemoryPlan,
    waits: Sequence[int],
    scratch_name: ScratchName,
) -> str | None:
    """None if the plan is sound, else the first fault, in words.

    Step `i` runs on `core[i]` once the other core has ended `waits[i]` steps; `scratch_name` gives
    the key of an operation's scratch on a core.
    """
    fault = declared_fault(program)
    for number in range(CORES):
        steps = {step.op for step, at in zip(program.steps, core, strict=True) if at == number}
        own = {
            op.name: plan.scratch[key]
            for index, op in enumerate(program.ops)
            if index in steps and (key := scratch_name(op.name, number)) in plan.scratch
        }
        # Operations that this core has no step of need no scratch on it.
        spare = {op.name: 0 for op in program.ops if op.name not in own and op.scratch_bytes}
        missing = [n for n in spare if any(program.ops[i].name == n for i in steps)]
        if missing:
            return f"{missing[0]}: scratch of core {number} not placed"
        alone = MemoryPlan(
            plan.placements,
            {**spare, **own},
            plan.arena_bytes,
            plan.lower_bound_bytes,
            plan.align_bytes,
        )
        fault = fault or placed_fault(program, alone)
    return (
        fault
        or _InOrder(program, plan, core, scratch_name).run()
        or _Races(program, plan, scratch_name).fault(core, waits)
    )


class _InOrder(Simulation):
    """The simulation of all steps in the listed order."""

    def __init__(
        self, program: Program, plan: MemoryPlan, core: Sequence[int], scratch_name: ScratchName
    ) -> None:
        super().__init__(program, plan)
        self.core = core
        self.scratch_name = scratch_name

    def scratch_start(self, number: int) -> int:
        """The scratch of the step's own core."""
        now = sum(self.done) - 1  # counted before scratch is asked for
        return self.plan.scratch[self.scratch_name(self.program.ops[number].name, self.core[now])]


class _Races:
    """For every byte the last step of each core that read it and that wrote it, counted from 1."""

    def __init__(self, program: Program, plan: MemoryPlan, scratch_name: ScratchName) -> None:
        self.program = program
        self.plan = plan
        self.scratch_name = scratch_name
        sizes = {name: program.tensors[name].size_bytes for name in program.external}
        sizes[""] = plan.arena_bytes
        expect_checkable("the arena of two cores", 2 * CORES * sum(sizes.values()))
        self.read: dict[str, Counts] = {}
        self.written: dict[str, Counts] = {}
        for home, size in sizes.items():
            self.read[home] = np.zeros((CORES, size), np.int32)
            self.written[home] = np.zeros((CORES, size), np.int32)

    def fault(self, core: Sequence[int], waits: Sequence[int]) -> str | None:
        """The first two steps that may meet, or a wait for a step that is listed later."""
        known = [0] * CORES
        done = [0] * CORES
        for number, (step, mine, wait) in enumerate(
            zip(self.program.steps, core, waits, strict=True)
        ):
            other = 1 - mine
            name = f"step {number} {self.program.ops[step.op].name}[{step.row}]"
            if wait > done[other]:
                return f"{name}: waits for step {wait} of core {other}, which may wait for it"
            known[mine] = max(known[mine], wait)
            done[mine] += 1
            for home, at, writes in self._touched(step.op, step.row, mine):
                late = self.written[home][other, at].max()
                if writes:
                    late = max(late, self.read[home][other, at].max())
                if late > known[mine]:
                    return (
                        f"{name} of core {mine} touches what step {late} of core {other} touches, "
                        f"and is sure of {known[mine]} only"
                    )
                table = self.written if writes else self.read
                table[home][mine, at] = done[mine]
        return None

    def _touched(
        self, number: int, row: int, core: int
    ) -> Iterator[tuple[str, NDArray[np.int64], bool]]:
        """(home, bytes, whether they are written) of a step."""
        op = self.program.ops[number]
        for index, read in enumerate(op.reads):
            height = self.program.tensors[read.tensor].height
            for r in op.rows_read(index, row, height):
                home, start, size = self._place(read.tensor, r)
                yield home, np.arange(start, start + size), False
        for index, write in enumerate(op.writes):
            for r in op.rows_made(row, index):
                home, start, size = self._place(write.tensor, r)
                own = np.flatnonzero(part_bytes(write, size)) + start
                yield home, own, True
        if op.scratch_bytes:
            start = self.plan.scratch[self.scratch_name(op.name, core)]
            yield "", np.arange(start, start + op.scratch_bytes), True

    def _place(self, name: str, row: int) -> tuple[str, int, int]:
        size = self.program.tensors[name].row_bytes
        if name in self.program.external:
            return name, row * size, size
        return "", self.plan.placements[name].offset(row), size
