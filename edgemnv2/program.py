"""The row program: which operation makes which row, in which order, and where the rows lie.

Streaming makes a `Program` from a graph and its row kernels; the planner adds a `MemoryPlan`; code
generation writes both out as tables. All times are counted in steps of the program; a live range
`first..last` is inclusive on both ends. All offsets are bytes from the start of the arena.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["FEED", "MemoryPlan", "Placement", "Program", "Read", "RowOp", "RowTensor", "Step"]

FEED = -1
"""The operation index of a step that asks the caller for the next input row."""


@dataclass(frozen=True)
class RowTensor:
    """One activation as rows: `height` rows of `row_bytes`, each made once (or accumulated)."""

    name: str
    height: int
    row_bytes: int
    align_bytes: int = 1
    """Alignment that the elements need (4 for float32 and int32)."""

    @property
    def size_bytes(self) -> int:
        """Bytes of all rows."""
        return self.height * self.row_bytes


@dataclass(frozen=True)
class Read:
    """Which rows of `tensor` the step for output row `r` reads.

    Rows `r * stride - before` to `r * stride - before + window - 1`, as far as they exist; a
    window that misses the tensor at either end is completed with a constant row of zero points.
    """

    tensor: str
    window: int = 1
    stride: int = 1
    before: int = 0

    def rows(self, row: int, height: int) -> range:
        """The existing rows among those that output row `row` reads."""
        first = row * self.stride - self.before
        return range(max(0, first), min(height, first + self.window))


@dataclass(frozen=True)
class RowOp:
    """One operation of the program: makes one row of `output` per step.

    `updates` operations change a row that an earlier operation made (the residual add, in place);
    `accumulates` ones add every row of their input into the single row of `output` (pooling).
    `rows_per_step` > 1: one step makes that many rows from as many contiguous rows of each input.
    """

    name: str
    layer: int
    """Index into `Graph.layers`."""
    reads: tuple[Read, ...]
    output: str
    steps: int
    scratch_bytes: int = 0
    updates: bool = False
    accumulates: bool = False
    rows_per_step: int = 1

    def rows_read(self, index: int, step_row: int, height: int) -> range:
        """Existing rows of `reads[index]` that the step at `step_row` reads."""
        read = self.reads[index]
        first = read.rows(step_row * self.rows_per_step, height)
        if self.rows_per_step == 1:
            return first
        last = read.rows(step_row * self.rows_per_step + self.rows_per_step - 1, height)
        return range(first.start, last.stop)

    def rows_made(self, step_row: int) -> range:
        """Rows of `output` that the step at `step_row` writes."""
        if self.accumulates:
            return range(1)
        first = step_row * self.rows_per_step
        return range(first, first + self.rows_per_step)


@dataclass(frozen=True)
class Step:
    """Run operation `op` (index into `Program.ops`, or `FEED`) for row `row`."""

    op: int
    row: int


@dataclass(frozen=True)
class Program:
    """Operations, the tensors they exchange, and the order of the steps.

    `input` and `output` name the tensors at the ends. `fed`: rows of the input arrive by `FEED`
    steps instead of being there from the start. `external`: tensors that live in the caller's
    memory, outside the arena. `chains` are ranges of operations that run interleaved; a tensor
    that crosses from one chain to the next is whole in memory at that moment.
    """

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    steps: tuple[Step, ...]
    chains: tuple[tuple[int, int], ...]
    input: str
    output: str
    fed: bool = False
    external: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Placement:
    """Where the rows of one tensor lie: row `r` at `slots[r % depth]`."""

    slots: tuple[int, ...]

    @property
    def depth(self) -> int:
        """Rows that are kept."""
        return len(self.slots)

    def offset(self, row: int) -> int:
        """Arena offset of row `row`, bytes."""
        return self.slots[row % len(self.slots)]


@dataclass(frozen=True)
class MemoryPlan:
    """One arena: rows of tensors, scratch per operation, the size and the bound below it."""

    placements: Mapping[str, Placement]
    scratch: Mapping[str, int]
    """Operation name -> arena offset of its scratch."""
    arena_bytes: int
    lower_bound_bytes: int
    """Most bytes of live rows and scratch at any step: no placement of these steps is smaller."""
    align_bytes: int
