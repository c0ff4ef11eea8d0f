"""Arenas of networks with several ends, held against a simulation that shares no code with them."""

from __future__ import annotations

import pytest

from edgemnv2.memory.variants import plan_graph
from edgemnv2.program import Read, RowOp, RowOps, RowTensor, Write
from tests.streaming.demand_simulation import least_bytes
from tests.streaming.toys import TOYS

WORST = 1.15
"""Times the simulation; what placing may cost."""


def _chain(size: int) -> RowOps:
    """A wide tensor between two ends, read through a window of three."""
    tensors = {n: RowTensor(n, 8, b) for n, b in (("in", 8), ("wide", size), ("out", 8))}
    ops = (
        RowOp("expand", 0, (Read("in"),), (Write("wide"),), 8),
        RowOp(
            "window", 1, (Read("wide", 3, 1, 1, fill=b"\0"),), (Write("out"),), 8, scratch_bytes=5
        ),
    )
    return RowOps(tensors, ops, ("in",), ("out",))


def test_the_simulation_counts_what_can_be_counted_by_hand() -> None:
    ends = frozenset({"in", "out"})
    assert least_bytes(_chain(48), frozenset(), ends) == 3 * 48 + 5
    # Fed, the row of the input is there while the third wide one is made; with the window's step,
    # it would be the scratch.
    assert least_bytes(_chain(48), frozenset({"in"}), frozenset({"out"})) == 3 * 48 + 8
    # In memory itself: five rows of the input are left when the window makes its second row.
    assert least_bytes(_chain(48), frozenset(), frozenset()) == 5 * 8 + 3 * 48 + 2 * 8 + 5


# One placement a toy by default; the six heads take longest.
EVERY = [(name, io) for name in sorted(TOYS) for io in ("arena", "input", "caller")]
DEFAULT = {("deeplab", "arena"), ("two_heads", "caller"), ("two_inputs", "input")}


@pytest.mark.parametrize(
    ("name", "io"),
    [
        pytest.param(*case, marks=() if case in DEFAULT else pytest.mark.slow(ci=True))
        for case in EVERY
    ],
)
def test_arenas_are_near_what_a_simulation_needs(name: str, io: str) -> None:
    rows = TOYS[name]().rows
    whole, stream = plan_graph(rows, io, "memory", 8)
    # Fed rows are planned alike for both ways.
    for planned in (whole,) if io == "arena" else (whole, stream):
        fed, outside = frozenset(planned.program.fed), planned.program.external
        least = least_bytes(rows, fed, outside)
        assert planned.plan.arena_bytes <= WORST * least, (name, io, fed)


def test_an_early_head_does_not_force_the_tail_into_memory() -> None:
    """With the head, the network needs no more than its tail alone and the head's own rows."""
    rows = TOYS["two_heads"]().rows
    tail = RowOps(
        rows.tensors,
        tuple(op for op in rows.ops if op.output != "early"),
        rows.inputs,
        ("late",),
    )
    both, alone = (plan_graph(r, "caller", "memory", 8)[0].plan.arena_bytes for r in (rows, tail))
    # One row of the tensor that the head reads, at most.
    (head,) = (op for op in rows.ops if op.output == "early")
    assert both <= alone + rows.tensors[head.reads[0].tensor].row_bytes
