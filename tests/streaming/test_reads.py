"""The rows that a step reads: those that exist, and none where none does."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from edgemnv2.memory.live import live_rows
from edgemnv2.memory.planner import plan_memory
from edgemnv2.memory.verify import find_fault
from edgemnv2.program import Read, RowOp, RowOps, RowTensor, Write
from edgemnv2.streaming.order import make_program

HEIGHT = 5


def test_rows_are_those_of_the_window_that_exist() -> None:
    """Also where the whole window lies outside: empty, without an end that counts from behind."""
    for window, stride, before, row in product((1, 2, 3), (0, 1, 2), (-7, -2, 0, 2, 7), range(9)):
        read = Read("x", window, stride, before, fill=b"\0")
        first = read.first(row)
        there = [r for r in range(first, first + window) if 0 <= r < HEIGHT]
        rows = read.rows(row, HEIGHT)
        assert list(rows) == there
        assert 0 <= rows.start <= rows.stop <= HEIGHT
        marked = np.zeros(HEIGHT)
        marked[rows.start : rows.stop] = 1
        assert np.flatnonzero(marked).tolist() == there


@pytest.mark.parametrize(("before", "behind"), [(1, 0), (2, 0), (4, 3), (0, 2), (0, 4)])
@pytest.mark.parametrize("fed", [(), ("image",)])
def test_rows_of_padding_alone_leave_live_ranges_as_they_are(
    before: int, behind: int, fed: tuple[str, ...]
) -> None:
    """A map padded by many rows: each row that exists lives from its making to its reader."""
    padded = before + HEIGHT + behind
    sizes = {"image": HEIGHT, "middle": HEIGHT, "padded": padded, "out": padded}
    tensors = {name: RowTensor(name, height, 8) for name, height in sizes.items()}
    ops = (
        RowOp("middle", 0, (Read("image"),), (Write("middle"),), HEIGHT),
        RowOp(
            "pad",
            1,
            (Read("middle", 1, 1, before, fill=b"\0"),),
            (Write("padded"),),
            padded,
        ),
        RowOp("out", 2, (Read("padded"),), (Write("out"),), padded),
    )
    rows = RowOps(tensors, ops, ("image",), ("out",))
    program = make_program(rows, [(0, 3)], fed=fed)
    live = live_rows(program)
    for name, readers in (("image", "middle"), ("middle", "pad")):
        (op,) = (op for op in ops if op.name == readers)
        read = {
            row: now
            for now, step in enumerate(program.steps)
            if step.op == ops.index(op)
            for row in op.rows_read(0, step.row, HEIGHT)
        }
        assert live[name].last.tolist() == [read[row] for row in range(HEIGHT)]
    assert find_fault(program, plan_memory(program)) is None
