"""Live ranges: from which step to which step each row is needed, and what that adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemnv2.program import Program, needed_rows

__all__ = ["LiveRows", "live_bytes_per_step", "live_rows", "ring_depth"]

Steps = NDArray[np.int64]
UNMADE = -2
"""In place of a step: of a row that no step makes."""


@dataclass(frozen=True, eq=False)
class LiveRows:
    """Live ranges of the rows of one tensor: row `r` from step `first[r]` to `last[r]`, inclusive.

    Step -1 is before the program, step `len(steps)` after it. A row that is never made (a stride
    can leave the last one out) has no entry: the arrays may be shorter than the tensor's height.
    """

    first: Steps
    last: Steps
    row_bytes: int


def live_rows(program: Program) -> dict[str, LiveRows]:
    """Live ranges of every tensor of `program`, external ones included."""
    count = len(program.steps)
    tensors = program.tensors
    touched = {*program.inputs, *program.outputs}
    touched.update(read.tensor for op in program.ops for read in op.reads)
    touched.update(name for op in program.ops for name in op.outputs)
    first = {name: [UNMADE] * tensors[name].height for name in touched}
    last = {name: [UNMADE] * tensors[name].height for name in touched}
    for name in program.inputs:
        if name not in program.fed:
            first[name] = [-1] * len(first[name])
            last[name] = [-1] * len(last[name])
    needed: dict[int, tuple[tuple[tuple[str, range], ...], ...]] = {}
    for now, step in enumerate(program.steps):
        fed = program.fed_by(step)
        if fed is not None:
            first[fed][step.row] = last[fed][step.row] = now
            continue
        op = program.ops[step.op]
        if step.op not in needed:
            heights = tuple(program.tensors[read.tensor].height for read in op.reads)
            needed[step.op] = needed_rows(op, heights)
        for name, rows in needed[step.op][step.row]:
            last[name][rows.start : rows.stop] = [now] * len(rows)
        for index, write in enumerate(op.writes):
            for row in op.rows_made(step.row, index):
                if first[write.tensor][row] == UNMADE:
                    first[write.tensor][row] = now
                last[write.tensor][row] = now
    for name in program.outputs:
        last[name] = [UNMADE if made == UNMADE else count for made in first[name]]
    return {
        name: _made_rows(first[name], last[name], tensor.row_bytes)
        for name, tensor in tensors.items()
        if name in touched and max(first[name]) != UNMADE
    }


def _made_rows(first: list[int], last: list[int], row_bytes: int) -> LiveRows:
    """Without the rows at the end that are never made; those before cost a moment, no more."""
    height = max(row for row, made in enumerate(first) if made != UNMADE) + 1
    moment = next(made for made in first if made != UNMADE)
    firsts = [moment if made == UNMADE else made for made in first[:height]]
    lasts = [moment if made == UNMADE else until for made, until in zip(first, last, strict=True)]
    return LiveRows(np.array(firsts, np.int64), np.array(lasts[:height], np.int64), row_bytes)


def ring_depth(rows: LiveRows) -> int:
    """Fewest rows that a ring must keep: row `r + depth` is made after the last use of row `r`."""
    height = len(rows.first)
    for depth in range(1, height):
        if np.all(rows.first[depth:] > rows.last[:-depth]):
            return depth
    return height


def live_bytes_per_step(program: Program, live: Mapping[str, LiveRows]) -> Steps:
    """Bytes of live rows and scratch at each step, external tensors left out; `[steps]`."""
    count = len(program.steps)
    change = np.zeros(count + 2, np.int64)
    for name, rows in live.items():
        if name in program.external:
            continue
        np.add.at(change, np.maximum(rows.first, 0), rows.row_bytes)
        np.add.at(change, rows.last + 1, -rows.row_bytes)
    total = np.cumsum(change)[:count]
    scratch = [0 if s.op < 0 else program.ops[s.op].scratch_bytes for s in program.steps]
    return total + np.array(scratch, np.int64)
