"""The row program for several threads: stages, in each of which every thread has steps of its own.

Between two stages all threads meet. Three kinds of stage:

- "bands": operations run interleaved, as in a chain. Each thread makes a band of the rows of what
  the stage leaves behind, and all rows inside the stage that its band needs; at the borders of the
  bands some rows are made twice. Such inner rows are the thread's own.
- "split": operations on whole late maps, one step each, are shared by pixels (or, on a map of one
  pixel, by output channels). Nothing is computed twice.
- "serial": thread 0 alone; sums keep their order, so floats do not depend on the number of threads.

A tensor that only one "bands" stage touches is private to each thread; all others are shared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemnv2.program import RowOp, RowTensor
from edgemnv2.streaming.lower import RowOps

__all__ = ["BandProgram", "BandStep", "Split", "Stage", "bounds", "make_bands"]


@dataclass(frozen=True)
class Split:
    """How one operation on a whole map is shared: `total` "pixels" or "channels".

    Parts begin at multiples of `granule`, which suits the kernel's tiles.
    """

    unit: str
    total: int
    granule: int = 1


@dataclass(frozen=True)
class BandStep:
    """Operation `op` (an index) makes `count` "rows", "pixels" or "channels" from `first` on."""

    op: int
    first: int
    count: int = 1
    unit: str = "rows"


@dataclass(frozen=True)
class Stage:
    """Operations `first .. last - 1`; `steps` has one sequence per thread."""

    first: int
    last: int
    kind: str
    steps: tuple[tuple[BandStep, ...], ...]


@dataclass(frozen=True)
class BandProgram:
    """Stages in order. The network's input and output are the caller's, outside the arena."""

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    stages: tuple[Stage, ...]
    threads: int
    input: str
    output: str

    def used_in(self, name: str) -> list[int]:
        """Numbers of the stages that read or write tensor `name`."""
        return [
            number
            for number, stage in enumerate(self.stages)
            if any(
                name == op.output or any(name == read.tensor for read in op.reads)
                for op in self.ops[stage.first : stage.last]
            )
        ]

    def private(self) -> frozenset[str]:
        """Tensors of which every thread keeps its own rows."""
        found = set()
        for name in self.tensors:
            stages = self.used_in(name)
            if len(stages) == 1 and self.stages[stages[0]].kind == "bands":
                found.add(name)
        return frozenset(found - {self.input, self.output})


def bounds(total: int, parts: int, granule: int = 1) -> list[int]:
    """Ends of `parts` nearly equal parts of `total`, cut at multiples of `granule`; from 0."""
    count = -(-total // granule)
    return [min(total, -(-count * i // parts) * granule) for i in range(parts + 1)]


def make_bands(
    rows: RowOps,
    chains: Sequence[tuple[int, int]],
    splits: Mapping[str, Split],
    threads: int,
) -> BandProgram:
    """The program of `rows` for `threads` threads.

    Stages begin at least where `chains` do, as far as rows are streamed; `splits` names the
    operations that are shared by pixels or channels.
    """
    forced: set[int] = set()
    while True:
        groups = _groups(rows, chains, splits, forced)
        private = BandProgram(
            rows.tensors,
            rows.ops,
            tuple(Stage(first, last, kind, ()) for first, last, kind in groups),
            threads,
            rows.input,
            rows.output,
        ).private()
        stages = []
        for first, last, kind in groups:
            if kind == "bands":
                needs = []
                for thread in range(threads):
                    need = _needed_rows(rows, first, last, private, threads, thread)
                    if isinstance(need, int):
                        # That reader wants shared rows of another thread: it has to wait for them.
                        forced.add(need)
                        break
                    needs.append(need)
                else:
                    steps = tuple(_band_steps(rows, first, last, private, n) for n in needs)
                    stages.append(Stage(first, last, kind, steps))
                    continue
                break
            if kind == "split":
                stages.append(
                    Stage(first, last, kind, _split_steps(rows, first, last, splits, threads))
                )
            else:
                alone = tuple(
                    BandStep(index, row * op.rows_per_step, op.rows_per_step)
                    for index, op in enumerate(rows.ops[first:last], first)
                    for row in range(op.steps)
                )
                stages.append(Stage(first, last, kind, (alone, *((),) * (threads - 1))))
        else:
            return BandProgram(
                rows.tensors, rows.ops, tuple(stages), threads, rows.input, rows.output
            )


def _groups(
    rows: RowOps,
    chains: Sequence[tuple[int, int]],
    splits: Mapping[str, Split],
    forced: set[int],
) -> list[tuple[int, int, str]]:
    """Stages as `(first, last, kind)`: operations of one kind, in a row."""
    starts = {first for first, _ in chains} | forced
    groups: list[tuple[int, int, str]] = []
    previous: tuple[object, ...] = ()
    for index, op in enumerate(rows.ops):
        key: tuple[object, ...]
        split = splits.get(op.name)
        if split is not None:
            # Every channel reads all channels of its input: no two such steps without a meeting.
            alone = index if split.unit == "channels" else 0
            key = ("split", split.unit, split.total, split.granule, alone)
        elif op.accumulates or op.rows_per_step > 1 or rows.tensors[op.output].height == 1:
            key = ("serial",)
        else:
            key = ("bands",)
        if key == previous and not (key == ("bands",) and index in starts):
            groups[-1] = (groups[-1][0], index + 1, groups[-1][2])
        else:
            groups.append((index, index + 1, str(key[0])))
        previous = key
    return groups


def _needed_rows(
    rows: RowOps, first: int, last: int, private: frozenset[str], threads: int, thread: int
) -> dict[str, range] | int:
    """Rows of each tensor written in the stage that `thread` makes.

    If an operation would need rows of a shared tensor that are another thread's, its index.
    """
    written = {op.output for op in rows.ops[first:last]}
    need: dict[str, range] = {}
    for name in written - private:
        ends = bounds(rows.tensors[name].height, threads)
        need[name] = range(ends[thread], ends[thread + 1])
    for index in range(last - 1, first - 1, -1):
        op = rows.ops[index]
        made = need.get(op.output, range(0))
        if not made:
            continue
        for read in op.reads:
            if read.tensor not in written:
                continue
            height = rows.tensors[read.tensor].height
            wanted = range(
                read.rows(made.start, height).start, read.rows(made.stop - 1, height).stop
            )
            have = need.get(read.tensor, range(0))
            if read.tensor not in private:
                if wanted and (wanted.start < have.start or wanted.stop > have.stop):
                    return index
            elif wanted:
                need[read.tensor] = (
                    range(min(have.start, wanted.start), max(have.stop, wanted.stop))
                    if have
                    else wanted
                )
    return need


def _band_steps(
    rows: RowOps, first: int, last: int, private: frozenset[str], need: Mapping[str, range]
) -> tuple[BandStep, ...]:
    """One thread's steps: each row is made when somebody needs it, as in `chain_steps`."""
    ops = rows.ops
    writers: dict[str, list[int]] = {}
    for index in range(first, last):
        writers.setdefault(ops[index].output, []).append(index)
    done = {index: need.get(ops[index].output, range(0)).start for index in range(first, last)}
    steps: list[BandStep] = []

    def require_rows(name: str, stop: int, before: int) -> None:
        preceding = [index for index in writers.get(name, ()) if index < before]
        while preceding and done[preceding[-1]] < stop:
            make_step(preceding[-1])

    def make_step(index: int) -> None:
        op, row = ops[index], done[index]
        for read in op.reads:
            wanted = read.rows(row, rows.tensors[read.tensor].height)
            require_rows(read.tensor, wanted.stop, index)
        if op.updates:
            require_rows(op.output, row + 1, index)
        steps.append(BandStep(index, row))
        done[index] += 1

    for name, by in writers.items():
        if name not in private:
            while done[by[-1]] < need[name].stop:
                make_step(by[-1])
    return tuple(steps)


def _split_steps(
    rows: RowOps, first: int, last: int, splits: Mapping[str, Split], threads: int
) -> tuple[tuple[BandStep, ...], ...]:
    parts = []
    for thread in range(threads):
        steps = []
        for index in range(first, last):
            split = splits[rows.ops[index].name]
            ends = bounds(split.total, threads, split.granule)
            count = ends[thread + 1] - ends[thread]
            if count:
                steps.append(BandStep(index, ends[thread], count, split.unit))
        parts.append(tuple(steps))
    return tuple(parts)
