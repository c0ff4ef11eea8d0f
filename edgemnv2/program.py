"""The row program: which operation makes which row, in which order, and where the rows lie.

Streaming makes a `Program` from row operations; the planner adds a `MemoryPlan`; code generation
writes both out as tables. `streaming/ROWS.md` explains what an operation can say. All times are
counted in steps of the program; a live range `first..last` is inclusive on both ends. All offsets
are bytes from the start of the arena.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

__all__ = [
    "FEED",
    "MemoryPlan",
    "Placement",
    "Program",
    "Read",
    "RowOp",
    "RowOps",
    "RowTensor",
    "Step",
    "Write",
    "needed_rows",
    "writers_of",
]

FEED = -1
"""`FEED - k` is the operation index of a step that asks the caller for the next row of `fed[k]`."""


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

    `window` rows from `(r * stride + phase) // divisor - before` on, with `0 <= phase < divisor`.
    Those outside of the tensor are a constant row that repeats `fill` (the bytes of one element;
    all rows of a tensor have one type), or with `edge` the nearest row that exists.

    The kernel gets a pointer for each row of the window, or (dilation) for every `spacing`-th of
    them, or with `contiguous` one pointer to the first; all of them exist then.
    """

    tensor: str
    window: int = 1
    stride: int = 1
    before: int = 0
    phase: int = 0
    divisor: int = 1
    fill: bytes | None = None
    edge: bool = False
    contiguous: bool = False
    spacing: int = 1

    @staticmethod
    def rational(
        tensor: str, stride: int, offset: int, divisor: int, window: int, *, edge: bool = True
    ) -> Read:
        """Rows from `floor((r * stride + offset) / divisor)` on; `offset` may be negative."""
        return Read(
            tensor,
            window,
            stride,
            before=-(offset // divisor),
            phase=offset % divisor,
            divisor=divisor,
            edge=edge,
        )

    @staticmethod
    def whole(tensor: str, height: int, *, contiguous: bool = True) -> Read:
        """All rows, for every row that is made."""
        return Read(tensor, window=height, stride=0, contiguous=contiguous)

    @staticmethod
    def broadcast(tensor: str) -> Read:
        """The first row, for every row that is made."""
        return Read(tensor, stride=0)

    @property
    def pointers(self) -> int:
        """Row pointers that the kernel gets."""
        return 1 if self.contiguous else -(-self.window // self.spacing)

    def first(self, row: int) -> int:
        """The first row that output row `row` reads, existing or not."""
        return (row * self.stride + self.phase) // self.divisor - self.before

    def rows(self, row: int, height: int) -> range:
        """The existing rows among those that output row `row` reads."""
        first = self.first(row)
        if self.edge:
            # The nearest one that exists stands for all that do not.
            start = min(max(0, first), height - 1)
            return range(start, max(start + 1, min(height, first + self.window)))
        # Where none exists, an empty range within the tensor: no end is negative or behind it.
        start = min(max(0, first), height)
        return range(start, max(start, min(height, first + self.window)))


@dataclass(frozen=True)
class Write:
    """What an operation makes of `tensor`: for its row `r`, rows from `first_row + r * rows` on.

    Of each of these `rows` rows the bytes `offset_bytes + p * pitch_bytes` to `+ part_bytes - 1`,
    p = 0, 1, ... as far as the row goes; `part_bytes` 0 stands for the whole row. Several rows are
    contiguous.
    """

    tensor: str
    first_row: int = 0
    rows: int = 1
    offset_bytes: int = 0
    part_bytes: int = 0
    pitch_bytes: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether row `r` makes the whole row `r`."""
        return self == Write(self.tensor)


@dataclass(frozen=True)
class RowOp:
    """One operation of the program: each step makes a row, or part of one, of what it writes.

    `updates` operations change a row that an earlier operation made (the residual add, in place);
    `accumulates` ones add every row of their input into a single row (pooling).
    `rows_per_step` > 1: one step makes that many rows from as many contiguous rows of each input.
    """

    name: str
    layer: int
    """Number of the layer that hooks and traces tell."""
    reads: tuple[Read, ...]
    writes: tuple[Write, ...]
    steps: int
    scratch_bytes: int = 0
    updates: bool = False
    accumulates: bool = False
    rows_per_step: int = 1

    @property
    def output(self) -> str:
        """The first tensor that it writes; most operations write one."""
        return self.writes[0].tensor

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """All tensors that it writes."""
        return tuple(write.tensor for write in self.writes)

    def rows_read(self, index: int, step_row: int, height: int) -> range:
        """Existing rows of `reads[index]` that the step at `step_row` reads."""
        read = self.reads[index]
        first = read.rows(step_row * self.rows_per_step, height)
        if self.rows_per_step == 1:
            return first
        last = read.rows(step_row * self.rows_per_step + self.rows_per_step - 1, height)
        return range(first.start, last.stop)

    def rows_made(self, step_row: int, index: int = 0) -> range:
        """Rows of `writes[index]` that the step at `step_row` writes."""
        write = self.writes[index]
        if self.accumulates:
            return range(write.first_row, write.first_row + write.rows)
        rows = self.rows_per_step * write.rows
        first = write.first_row + step_row * rows
        return range(first, first + rows)

    def steps_for(self, index: int, wanted: range) -> int:
        """How many first steps make all rows among `wanted` that `writes[index]` makes at all."""
        write = self.writes[index]
        if self.accumulates:
            made = self.rows_made(0, index)
            return self.steps if wanted.start < made.stop and wanted.stop > made.start else 0
        rows = self.rows_per_step * write.rows
        stop = min(wanted.stop - write.first_row, self.steps * rows)
        if stop <= 0 or wanted.start - write.first_row >= self.steps * rows:
            return 0
        return -(-stop // rows)


@lru_cache(maxsize=4096)
def needed_rows(op: RowOp, heights: tuple[int, ...]) -> tuple[tuple[tuple[str, range], ...], ...]:
    """What each step of `op` needs: tensors and their rows, those that it updates included.

    `heights` are those of the tensors that it reads, in their order. Kept: the same operation is
    looked at in many chains.
    """
    found = []
    for row in range(op.steps):
        needed = [
            (read.tensor, op.rows_read(number, row, height))
            for number, (read, height) in enumerate(zip(op.reads, heights, strict=True))
        ]
        if op.updates:
            needed += [(x.tensor, op.rows_made(row, number)) for number, x in enumerate(op.writes)]
        found.append(tuple(needed))
    return tuple(found)


def writers_of(ops: Sequence[RowOp]) -> dict[str, list[tuple[int, int]]]:
    """By tensor who writes it, in order: number of the operation, which of its `writes`."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, op in enumerate(ops):
        for index, write in enumerate(op.writes):
            found.setdefault(write.tensor, []).append((number, index))
    return found


@dataclass(frozen=True)
class Step:
    """Run operation `op` (index into `Program.ops`, or `FEED - k`) for row `row`."""

    op: int
    row: int


@dataclass(frozen=True)
class RowOps:
    """Row operations in topological order, the tensors they exchange, and the ends."""

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Program:
    """Operations, the tensors they exchange, and the order of the steps.

    `inputs` and `outputs` name the tensors at the ends. `fed`: inputs whose rows arrive by `FEED`
    steps instead of being there from the start. `external`: tensors that live in the caller's
    memory, outside the arena. `chains` are ranges of operations that run interleaved; a tensor
    that crosses from one chain to the next is whole in memory at that moment.
    """

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    steps: tuple[Step, ...]
    chains: tuple[tuple[int, int], ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fed: tuple[str, ...] = ()
    external: frozenset[str] = frozenset()

    def fed_by(self, step: Step) -> str | None:
        """The tensor whose next row `step` asks the caller for; None for other steps."""
        return self.fed[FEED - step.op] if step.op < 0 else None


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
