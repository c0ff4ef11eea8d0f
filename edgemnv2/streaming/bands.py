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

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from edgemnv2.program import RowOp, RowOps, RowTensor

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
    """Operation `op` (an index) makes `count` "rows", "pixels" or "channels" from `first` on.

    Rows are the operation's own: what they are of the tensor, its `Write` says.
    """

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
    """Stages in order. The network's inputs and outputs are the caller's, outside the arena."""

    tensors: Mapping[str, RowTensor]
    ops: tuple[RowOp, ...]
    stages: tuple[Stage, ...]
    threads: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    @cached_property
    def used_in(self) -> Mapping[str, list[int]]:
        """Of each tensor the numbers of the stages that read or write it."""
        found: dict[str, list[int]] = {name: [] for name in self.tensors}
        for number, stage in enumerate(self.stages):
            ops = self.ops[stage.first : stage.last]
            names = {name for op in ops for name in op.outputs}
            for name in names.union(read.tensor for op in ops for read in op.reads):
                found.setdefault(name, []).append(number)
        return found

    def private(self) -> frozenset[str]:
        """Tensors of which every thread keeps its own rows."""
        found = set()
        for name in self.tensors:
            stages = self.used_in[name]
            if len(stages) == 1 and self.stages[stages[0]].kind == "bands":
                found.add(name)
        return frozenset(found - {*self.inputs, *self.outputs} - _whole_only(self.ops))


def _whole_only(ops: Sequence[RowOp]) -> set[str]:
    """Tensors with several rows behind one pointer, or several writers along the height."""
    found = set()
    for op in ops:
        many = op.rows_per_step > 1
        found |= {read.tensor for read in op.reads if many or read.contiguous}
        found |= {w.tensor for w in op.writes if many or w.rows > 1 or w.first_row > 0}
    return found


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
            rows.inputs,
            rows.outputs,
        ).private()
        stages = []
        for first, last, kind in groups:
            if kind == "bands":
                needs = []
                for thread in range(threads):
                    need = _needed_steps(rows, first, last, private, threads, thread)
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
                rows.tensors, rows.ops, tuple(stages), threads, rows.inputs, rows.outputs
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
        elif op.accumulates or op.rows_per_step > 1 or op.steps == 1:
            key = ("serial",)
        else:
            key = ("bands",)
        waits = index in starts or (groups and _reads_all(rows, groups[-1][0], index))
        if key == previous and not (key == ("bands",) and waits):
            groups[-1] = (groups[-1][0], index + 1, groups[-1][2])
        else:
            groups.append((index, index + 1, str(key[0])))
        previous = key
    return groups


def _reads_all(rows: RowOps, first: int, index: int) -> bool:
    """Whether operation `index` reads all of a tensor that one from `first` on makes."""
    made = {name for op in rows.ops[first:index] for name in op.outputs}
    return any(
        read.tensor in made and read.stride == 0 and rows.tensors[read.tensor].height > 1
        for read in rows.ops[index].reads
    )


def _wanted(rows: RowOps, index: int, steps: range) -> Iterator[tuple[str, range]]:
    """All rows of each tensor that `steps` of an operation read or change."""
    op = rows.ops[index]
    for number, read in enumerate(op.reads):
        height = rows.tensors[read.tensor].height
        start = op.rows_read(number, steps.start, height).start
        yield read.tensor, range(start, op.rows_read(number, steps.stop - 1, height).stop)
    if op.updates:
        for number, name in enumerate(op.outputs):
            stop = op.rows_made(steps.stop - 1, number).stop
            yield name, range(op.rows_made(steps.start, number).start, stop)


def _steps_making(op: RowOp, name: str, wanted: range) -> range:
    """The steps of `op` that make rows of `name` among `wanted`."""
    number = op.outputs.index(name)
    stop = op.steps_for(number, wanted)
    if not stop:
        return range(0)
    write = op.writes[number]
    return range(max(0, wanted.start - write.first_row) // (op.rows_per_step * write.rows), stop)


def _needed_steps(
    rows: RowOps, first: int, last: int, private: frozenset[str], threads: int, thread: int
) -> dict[int, range] | int:
    """The steps of each operation of the stage that `thread` makes.

    If an operation would need rows of a shared tensor that are another thread's, its index.
    """
    need: dict[int, range] = {}
    shared = set()
    for index in range(first, last):
        op = rows.ops[index]
        if not private.issuperset(op.outputs):
            shared.add(index)
            ends = bounds(op.steps, threads)
            need[index] = range(ends[thread], ends[thread + 1])
    for index in range(last - 1, first - 1, -1):
        steps = need.get(index, range(0))
        if not steps:
            continue
        for name, wanted in _wanted(rows, index, steps):
            if not wanted:
                continue
            for writer in range(first, index):
                if name not in rows.ops[writer].outputs:
                    continue
                asked = _steps_making(rows.ops[writer], name, wanted)
                have = need.get(writer, range(0))
                if not asked or (asked.start >= have.start and asked.stop <= have.stop):
                    continue
                if writer in shared:
                    return index
                need[writer] = (
                    range(min(have.start, asked.start), max(have.stop, asked.stop))
                    if have
                    else asked
                )
    return need


def _band_steps(
    rows: RowOps, first: int, last: int, private: frozenset[str], need: Mapping[int, range]
) -> tuple[BandStep, ...]:
    """One thread's steps: each row is made when somebody needs it, as in `chain_steps`."""
    ops = rows.ops
    writers: dict[str, list[int]] = {}
    for index in range(first, last):
        for name in ops[index].outputs:
            writers.setdefault(name, []).append(index)
    done = {index: need.get(index, range(0)).start for index in range(first, last)}
    steps: list[BandStep] = []

    def asked(name: str, before: int) -> list[int]:
        """Writers before `before` whose rows no other one of them changes."""
        preceding = [index for index in writers.get(name, ()) if index < before]
        changed = [number for number, index in enumerate(preceding) if ops[index].updates]
        return preceding[changed[-1] :] if changed else preceding

    def make_step(index: int) -> None:
        row = done[index]
        for name, wanted in _wanted(rows, index, range(row, row + 1)):
            for writer in asked(name, index):
                stop = _steps_making(ops[writer], name, wanted).stop
                while done[writer] < stop:
                    make_step(writer)
        steps.append(BandStep(index, row))
        done[index] += 1

    for name in writers:
        if name not in private:
            for index in asked(name, last):
                while done[index] < need[index].stop:
                    make_step(index)
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
