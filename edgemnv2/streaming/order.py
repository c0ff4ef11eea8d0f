"""The order of the steps: each row is made when somebody needs it, not before.

Within a chain the last operation asks for its rows one by one; each asks its inputs for the rows it
reads. So a row is alive as short as possible and nothing is ever computed twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgemnv2.program import FEED, Program, RowOp, Step
from edgemnv2.streaming.lower import RowOps

__all__ = ["block_cuts", "chain_steps", "cut_points", "make_program"]


def cut_points(rows: RowOps) -> list[int]:
    """Positions between operations where a single tensor carries everything; ends included.

    Position `p` lies before operation `p`. Chains begin and end here.
    """
    last_use = {rows.output: len(rows.ops)}
    for index, op in enumerate(rows.ops):
        for name in {read.tensor for read in op.reads} | ({op.output} if op.updates else set()):
            last_use[name] = max(last_use.get(name, 0), index)
    points = [0]
    alive: set[str] = {rows.input}
    for index, op in enumerate(rows.ops):
        alive.add(op.output)
        alive = {name for name in alive if last_use.get(name, -1) > index}
        if alive == {op.output} and _finished(rows.ops, index):
            points.append(index + 1)
    return points


def block_cuts(rows: RowOps) -> list[int]:
    """The cut points where little is alive: for MobileNetV2, between inverted residuals.

    A tensor that is larger than the one before or behind it, which the expanded ones are, is not
    worth being whole in memory, unless a step next to it wants whole maps.
    """
    points = cut_points(rows)
    sizes = [rows.tensors[rows.input].size_bytes]
    sizes += [rows.tensors[rows.ops[p - 1].output].size_bytes for p in points[1:]]
    kept = [points[0]]
    for number in range(1, len(points) - 1):
        before, behind = rows.ops[points[number] - 1], rows.ops[points[number]]
        whole = max(before.rows_per_step, behind.rows_per_step) > 1
        single = rows.tensors[before.output].height == 1
        if whole or single or sizes[number] <= min(sizes[number - 1], sizes[number + 1]):
            kept.append(points[number])
    return [*kept, *points[1:][-1:]]


def _finished(ops: Sequence[RowOp], index: int) -> bool:
    """Whether no later operation writes the output of operation `index` again."""
    return all(later.output != ops[index].output for later in ops[index + 1 :])


def chain_steps(rows: RowOps, first: int, last: int, fed: bool) -> list[Step]:
    """Steps of the operations `first .. last - 1`, run as one chain.

    The chain's input is whole in memory, or, with `fed` and `first == 0`, is fed row by row.
    """
    ops = rows.ops
    writers: dict[str, list[int]] = {}
    for index in range(first, last):
        writers.setdefault(ops[index].output, []).append(index)
    done = dict.fromkeys(range(first, last), 0)
    fed_rows = 0
    steps: list[Step] = []

    def require_rows(name: str, stop: int, before: int) -> None:
        """Have rows 0..stop-1 of `name` finished by its writers that precede operation `before`."""
        nonlocal fed_rows
        if fed and first == 0 and name == rows.input:
            while fed_rows < stop:
                steps.append(Step(FEED, fed_rows))
                fed_rows += 1
            return
        preceding = [index for index in writers.get(name, ()) if index < before]
        if not preceding:
            return
        writer = preceding[-1]
        op = ops[writer]
        need = op.steps if op.accumulates else -(-stop // op.rows_per_step)
        while done[writer] < need:
            make_step(writer)

    def make_step(index: int) -> None:
        op = ops[index]
        row = done[index]
        for number, read in enumerate(op.reads):
            height = rows.tensors[read.tensor].height
            require_rows(read.tensor, op.rows_read(number, row, height).stop, index)
        if op.updates:
            require_rows(op.output, op.rows_made(row).stop, index)
        steps.append(Step(index, row))
        done[index] += 1

    final = last - 1
    while done[final] < ops[final].steps:
        make_step(final)
    # Rows that nobody reads (a stride may leave the last one out) are not made; but rows that the
    # caller feeds must all be taken.
    if fed and first == 0:
        require_rows(rows.input, rows.tensors[rows.input].height, first)
    return steps


def make_program(
    rows: RowOps, chains: Sequence[tuple[int, int]], *, fed: bool, external: frozenset[str]
) -> Program:
    """The program of `rows` cut into `chains`, in order."""
    steps: list[Step] = []
    for first, last in chains:
        steps += chain_steps(rows, first, last, fed)
    return Program(
        tensors=rows.tensors,
        ops=rows.ops,
        steps=tuple(steps),
        chains=tuple(chains),
        input=rows.input,
        output=rows.output,
        fed=fed,
        external=external,
    )
