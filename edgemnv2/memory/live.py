"""Live ranges: from which step to which step each row is needed, and what that adds up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgemnv2.program import FEED, Program

__all__ = ["LiveRows", "live_bytes_per_step", "live_rows", "ring_depth"]

Steps = NDArray[np.int64]


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
    first: dict[str, list[int]] = {name: [] for name in program.tensors}
    last: dict[str, list[int]] = {name: [] for name in program.tensors}
    if not program.fed:
        height = program.tensors[program.input].height
        first[program.input] = [-1] * height
        last[program.input] = [-1] * height
    for now, step in enumerate(program.steps):
        if step.op == FEED:
            first[program.input].append(now)
            last[program.input].append(now)
            continue
        op = program.ops[step.op]
        for index, read in enumerate(op.reads):
            for row in op.rows_read(index, step.row, program.tensors[read.tensor].height):
                last[read.tensor][row] = now
        for row in op.rows_made(step.row):
            if row < len(first[op.output]):
                last[op.output][row] = now
            else:
                first[op.output].append(now)
                last[op.output].append(now)
    last[program.output] = [count] * len(last[program.output])
    return {
        name: LiveRows(
            np.array(first[name], np.int64), np.array(last[name], np.int64), tensor.row_bytes
        )
        for name, tensor in program.tensors.items()
        if first[name]
    }


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
    scratch = [0 if s.op == FEED else program.ops[s.op].scratch_bytes for s in program.steps]
    return total + np.array(scratch, np.int64)
