"""Plans are checked in grains: the same is found, and memory does not grow with bytes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemnv2.errors import DoesNotFit
from edgemnv2.frontend import load_model
from edgemnv2.memory import grains
from edgemnv2.memory.grains import (
    MOST_GRAINS,
    expect_checkable,
    grain_of,
    ops_in,
    owner_tables,
    plan_in,
    tensors_in,
    whole_row,
)
from edgemnv2.memory.planner import plan_memory
from edgemnv2.memory.thread_plan import plan_threads
from edgemnv2.memory.verify import Simulation, find_fault, in_grains
from edgemnv2.passes import lower
from edgemnv2.pipeline import plan_network
from edgemnv2.program import MemoryPlan, Placement, Program, Read, RowOp, RowOps, RowTensor, Write
from edgemnv2.streaming.bands import BandStep, make_bands
from edgemnv2.streaming.order import make_program
from edgemnv2.target import load_target
from tests.memory.test_mutations import FAULTS, OPS, ROWS, TENSORS, Fault, _sound


def _times(factor: int, program: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """Every size and place so many times as large."""
    tensors = {k: replace(x, row_bytes=x.row_bytes * factor) for k, x in program.tensors.items()}
    ops = tuple(
        replace(
            op,
            scratch_bytes=op.scratch_bytes * factor,
            writes=tuple(
                replace(
                    write,
                    offset_bytes=write.offset_bytes * factor,
                    part_bytes=write.part_bytes * factor,
                    pitch_bytes=write.pitch_bytes * factor,
                )
                for write in op.writes
            ),
        )
        for op in program.ops
    )
    larger = MemoryPlan(
        {
            name: Placement(tuple(slot * factor for slot in placement.slots))
            for name, placement in plan.placements.items()
        },
        {name: base * factor for name, base in plan.scratch.items()},
        plan.arena_bytes * factor,
        plan.lower_bound_bytes * factor,
        plan.align_bytes,
    )
    return replace(program, tensors=tensors, ops=ops), larger


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_a_fault_of_a_plan_is_found_in_a_larger_one(fault: Fault) -> None:
    """12 bytes for each one: every check sees what it sees in bytes, and bytes are told."""
    sound = _sound()
    program, plan = fault.mutate(sound.program, sound.plan)
    found = str(find_fault(*_times(12, program, plan)))
    assert fault.words.replace("byte 7", "byte 84") in found, found


def test_the_grain_is_what_divides_everything_and_no_more() -> None:
    sound = _sound()
    for factor in (1, 3, 64):
        program, plan = _times(factor, sound.program, sound.plan)
        coarse, coarse_plan, grain = in_grains(program, plan)
        assert grain % factor == 0
        again, plan_again, one = in_grains(coarse, coarse_plan)
        assert one == 1 and (again, plan_again) == (coarse, coarse_plan)
    # Shifted by one byte, a single slot makes bytes of all grains.
    slots = (plan.placements["a"].slots[0] + 1, *plan.placements["a"].slots[1:])
    odd = replace(plan, placements={**plan.placements, "a": Placement(slots)})
    assert in_grains(program, odd)[2] == 1


def test_parts_of_a_grain_divide_back() -> None:
    grain = grain_of(TENSORS, OPS, [op.scratch_bytes for op in OPS])
    assert grain == 4
    assert {k: x.row_bytes * grain for k, x in tensors_in(grain, TENSORS).items()} == {
        k: x.row_bytes for k, x in TENSORS.items()
    }
    assert [op.scratch_bytes * grain for op in ops_in(grain, OPS)] == [
        op.scratch_bytes for op in OPS
    ]
    plan = _sound().plan
    assert plan_in(grain, plan).arena_bytes * grain == plan.arena_bytes
    row = whole_row(1 << 40, 3)
    assert row.strides == (0,) and row[-1] == 3


def _vast(row_bytes: int, odd: int = 0, height: int = 8) -> RowOps:
    """A picture and a network of two layers, of rows of that size; the middle is `odd` larger."""
    sizes = {"image": row_bytes, "middle": row_bytes + odd, "out": row_bytes}
    tensors = {name: RowTensor(name, height, size) for name, size in sizes.items()}
    ops = (
        RowOp("one", 0, (Read.whole("image", height),), (Write("middle"),), height),
        RowOp("two", 1, (Read.whole("middle", height),), (Write("out"),), height),
    )
    return RowOps(tensors, ops, ("image",), ("out",))


def test_a_vast_plan_is_checked_in_little_memory() -> None:
    """Rows of 64 MiB: an arena of GiB takes a few entries, however it is shared."""
    rows = _vast(64 << 20)
    program = make_program(rows, [(0, 2)])
    plan = plan_memory(program)
    assert plan.arena_bytes >= 1 << 30
    tables = Simulation(*in_grains(program, plan))
    assert tables.arena.nbytes < 1 << 20
    bands = make_bands(rows, [(0, 2)], {}, 2)
    assert plan_threads(bands, _no_scratch, 64).arena_bytes >= 1 << 29


def _no_scratch(step: BandStep) -> int:
    return 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_plan_that_no_table_holds_is_refused(threads: int) -> None:
    """Rows of sizes that nothing divides, together more than a check can look at."""
    rows = _vast(64 << 20, odd=1)
    with pytest.raises(DoesNotFit, match=f"at most {MOST_GRAINS}"):
        if threads == 1:
            plan_memory(make_program(rows, [(0, 2)]))
        else:
            plan_threads(make_bands(rows, [(0, 2)], {}, 2), _no_scratch, 1)


def test_tables_are_refused_by_their_sum() -> None:
    expect_checkable("x", MOST_GRAINS)
    with pytest.raises(DoesNotFit, match="x: "):
        expect_checkable("x", MOST_GRAINS + 1)
    with pytest.raises(DoesNotFit):
        owner_tables({"a": MOST_GRAINS, "b": 1})
    assert owner_tables({"a": 2})["a"].tolist() == [0, 0]


def test_the_program_of_the_mutations_is_the_one_that_is_enlarged() -> None:
    sound = _sound()
    assert find_fault(*_times(12, sound.program, sound.plan)) is None
    assert ROWS.ops == OPS


def test_what_cannot_be_checked_is_refused_by_the_networks_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grains, "MOST_GRAINS", 1000)
    graph = lower(load_model("digits"))
    with pytest.raises(DoesNotFit, match=f"^{graph.name}: the arena .* at most 1000"):
        plan_network(graph, load_target("host"))
