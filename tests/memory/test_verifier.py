"""The verifier of plans: first that it rejects every planted fault, then that real plans pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from edgemnv2.memory.planner import Planned, plan_memory
from edgemnv2.memory.verify import find_fault
from edgemnv2.program import (
    FEED,
    MemoryPlan,
    Placement,
    Program,
    Read,
    RowOp,
    RowTensor,
    Step,
    Write,
)
from edgemnv2.streaming.lower import RowOps
from edgemnv2.streaming.order import make_program

# An inverted residual with scratch, a pooling and a classifier, as rows.
TENSORS = {
    t.name: t
    for t in (
        RowTensor("image", 8, 16),
        RowTensor("expanded", 8, 48),
        RowTensor("deep", 8, 48),
        RowTensor("sum", 8, 16),
        RowTensor("total", 1, 64, 4),
        RowTensor("mean", 1, 16),
        RowTensor("logits", 1, 12, 4),
    )
}
OPS = (
    RowOp("expand", 0, (Read("image"),), (Write("expanded"),), 8, scratch_bytes=24),
    RowOp("depthwise", 1, (Read("expanded", 3, 1, 1, fill=b"\0"),), (Write("deep"),), 8),
    RowOp("project", 2, (Read("deep"),), (Write("sum"),), 8, scratch_bytes=40),
    RowOp("add", 3, (Read("image"), Read("sum")), (Write("sum"),), 8, updates=True),
    RowOp("pool.sum", 4, (Read("sum"),), (Write("total"),), 8, accumulates=True),
    RowOp("pool", 4, (Read("total"),), (Write("mean"),), 1),
    RowOp("classifier", 5, (Read("mean"),), (Write("logits"),), 1, scratch_bytes=8),
)
ROWS = RowOps(TENSORS, OPS, ("image",), ("logits",))


def _program(fed: bool) -> Program:
    return make_program(ROWS, [(0, len(OPS))], fed=("image",) if fed else ())


def _roomy(program: Program) -> MemoryPlan:
    """Rings of least depth side by side, nothing shared; depths counted by hand."""
    # The addition reads the image's row when the next one has been expanded already.
    depths = {"expanded": 3, "image": 2 if program.fed else 8}
    at = 0
    placements, scratch = {}, {}
    for name, tensor in TENSORS.items():
        depth = depths.get(name, 1)
        placements[name] = Placement(tuple(at + i * tensor.row_bytes for i in range(depth)))
        at += -(-depth * tensor.row_bytes // 8) * 8
    for op in OPS:
        if op.scratch_bytes:
            scratch[op.name] = at
            at += -(-op.scratch_bytes // 8) * 8
    return MemoryPlan(placements, scratch, at, 0, 8)


@pytest.fixture(params=[False, True], ids=["whole image", "fed rows"])
def planned(request: pytest.FixtureRequest) -> Planned:
    """A program and a sound plan for it."""
    program = _program(bool(request.param))
    return Planned(program, _roomy(program))


def _moved(plan: MemoryPlan, name: str, by: int) -> MemoryPlan:
    slots = tuple(slot + by for slot in plan.placements[name].slots)
    return replace(plan, placements={**plan.placements, name: Placement(slots)})


def test_sound_plans_pass(planned: Planned) -> None:
    assert find_fault(planned.program, planned.plan) is None


@pytest.mark.parametrize("fed", [False, True])
def test_plans_of_the_planner_pass_and_share_memory(fed: bool) -> None:
    program = _program(fed)
    plan = plan_memory(program)
    assert find_fault(program, plan) is None
    assert plan.lower_bound_bytes <= plan.arena_bytes < _roomy(program).arena_bytes


LIVE_TOGETHER = (
    ("image", "expanded"),
    ("image", "deep"),
    ("image", "sum"),
    ("image", "total"),
    ("expanded", "deep"),
    ("expanded", "sum"),
    ("expanded", "total"),
    ("deep", "total"),
    ("sum", "total"),
    ("total", "mean"),
    ("mean", "logits"),
)


@pytest.mark.parametrize("pair", LIVE_TOGETHER, ids=" on ".join)
def test_a_tensor_one_row_off_is_found(planned: Planned, pair: tuple[str, str]) -> None:
    """Beside a tensor that is alive in the same steps, one row up or down is one too many."""
    plan, program = planned.plan, planned.program
    fixed, name = pair
    free = 2048
    size = TENSORS[name].row_bytes
    depth = plan.placements[name].depth
    # `fixed` alone in the middle of free space, `name` right above it, then right below it.
    placements = {**plan.placements, fixed: _at(free, fixed, plan)}
    above = free + len(placements[fixed].slots) * TENSORS[fixed].row_bytes
    below = free - depth * size
    wide = replace(plan, placements=placements, arena_bytes=2 * free)
    for base, by in ((above, -size), (below, size)):
        good = replace(wide, placements={**placements, name: _at(base, name, plan)})
        assert find_fault(program, good) is None
        bad = replace(wide, placements={**placements, name: _at(base + by, name, plan)})
        assert find_fault(program, bad) is not None, by


def _at(base: int, name: str, plan: MemoryPlan) -> Placement:
    """The rows of `name` one behind the other from `base` on."""
    depth, size = plan.placements[name].depth, TENSORS[name].row_bytes
    return Placement(tuple(base + i * size for i in range(depth)))


@pytest.mark.parametrize("name", ["expanded", "image"])
def test_a_shallower_ring_is_found(planned: Planned, name: str) -> None:
    plan = planned.plan
    slots = plan.placements[name].slots
    shallow = replace(plan, placements={**plan.placements, name: Placement(slots[:-1])})
    fault = find_fault(planned.program, shallow)
    assert fault is not None
    assert name in fault
    assert "overwritten" in fault or "overlap" in fault or "meets" in fault


@pytest.mark.parametrize(
    ("op", "tensor"), [("expand", "image"), ("expand", "expanded"), ("project", "deep"),
                       ("project", "sum"), ("classifier", "mean"), ("classifier", "logits")],
)  # fmt: skip
def test_scratch_over_rows_of_its_own_step_is_found(planned: Planned, op: str, tensor: str) -> None:
    plan = planned.plan
    base = plan.placements[tensor].slots[0] // 8 * 8
    fault = find_fault(planned.program, replace(plan, scratch={**plan.scratch, op: base}))
    assert fault is not None
    assert op in fault or tensor in fault


def test_scratch_over_rows_that_are_needed_later_is_found(planned: Planned) -> None:
    """`project` does not touch `expanded`, whose rows the next depthwise step reads."""
    plan = planned.plan
    base = plan.placements["expanded"].slots[0]
    fault = find_fault(planned.program, replace(plan, scratch={**plan.scratch, "project": base}))
    assert fault is not None
    assert "expanded" in fault


def _steps_without(program: Program) -> Iterator[tuple[Step, Program]]:
    for number, step in enumerate(program.steps):
        steps = program.steps[:number] + program.steps[number + 1 :]
        yield step, replace(program, steps=steps)


def test_every_missing_step_is_found(planned: Planned) -> None:
    plan = planned.plan
    for step, program in _steps_without(planned.program):
        assert find_fault(program, plan) is not None, step


def test_every_repeated_step_is_found(planned: Planned) -> None:
    plan, program = planned.plan, planned.program
    for number, step in enumerate(program.steps):
        steps = (*program.steps[: number + 1], step, *program.steps[number + 1 :])
        assert find_fault(replace(program, steps=steps), plan) is not None, step


def test_steps_before_what_they_read_are_found(planned: Planned) -> None:
    """Every step that goes right before the step that makes one of its rows."""
    plan, program = planned.plan, planned.program
    moved = 0
    for number in range(1, len(program.steps)):
        step, before = program.steps[number], program.steps[number - 1]
        if step.op == FEED or before.op == FEED:
            continue
        reads = {read.tensor for read in program.ops[step.op].reads}
        if program.ops[before.op].output not in reads or step.op == before.op:
            continue
        steps = (*program.steps[: number - 1], step, before, *program.steps[number + 1 :])
        assert find_fault(replace(program, steps=steps), plan) is not None, (before, step)
        moved += 1
    assert moved >= 8


@pytest.mark.parametrize("name", sorted(TENSORS))
def test_rows_outside_the_arena_are_found(planned: Planned, name: str) -> None:
    plan = planned.plan
    for by in (-plan.arena_bytes, plan.arena_bytes):
        fault = find_fault(planned.program, _moved(plan, name, by))
        assert fault is not None
        assert "leaves the arena" in fault


@pytest.mark.parametrize("name", ["total", "logits"])
def test_unaligned_rows_are_found(planned: Planned, name: str) -> None:
    plan = planned.plan
    fault = find_fault(planned.program, _moved(plan, name, -2))
    assert fault is not None
    assert "not aligned" in fault


@pytest.mark.parametrize("op", ["expand", "project", "classifier"])
def test_bad_scratch_is_found(planned: Planned, op: str) -> None:
    plan = planned.plan
    for base, words in ((plan.arena_bytes, "leaves the arena"), (-8, "leaves"), (4, "not aligned")):
        fault = find_fault(planned.program, replace(plan, scratch={**plan.scratch, op: base}))
        assert fault is not None
        assert words in fault
    missing = {name: at for name, at in plan.scratch.items() if name != op}
    assert "scratch not placed" in str(find_fault(planned.program, replace(plan, scratch=missing)))


@pytest.mark.parametrize("name", sorted(TENSORS))
def test_tensors_without_a_place_are_found(planned: Planned, name: str) -> None:
    placements = {n: p for n, p in planned.plan.placements.items() if n != name}
    fault = find_fault(planned.program, replace(planned.plan, placements=placements))
    assert fault == f"{name}: not placed"


def test_rows_of_one_step_must_lie_one_behind_the_other() -> None:
    """A step of two rows reads and writes them through one pointer each."""
    tensors = {n: RowTensor(n, 4, 8) for n in ("a", "b")}
    ops = (RowOp("both", 0, (Read("a"),), (Write("b"),), 2, rows_per_step=2),)
    program = make_program(RowOps(tensors, ops, ("a",), ("b",)), [(0, 1)])
    good = MemoryPlan(
        {"a": Placement((0, 8, 16, 24)), "b": Placement((32, 40, 48, 56))}, {}, 72, 64, 8
    )
    assert find_fault(program, good) is None
    for name, slots in (("a", (0, 8, 24, 16)), ("b", (32, 48, 40, 56)), ("b", (32, 40, 48, 64))):
        bad = replace(good, placements={**good.placements, name: Placement(slots)})
        assert "not contiguous" in str(find_fault(program, bad)), (name, slots)


def test_a_row_without_a_reader_does_not_end_its_tensor_early() -> None:
    """Stride 2 leaves the last row of `b` unread; the rows before it live on. Found by fuzzing."""
    tensors = {"a": RowTensor("a", 12, 8), "b": RowTensor("b", 12, 8), "c": RowTensor("c", 6, 8)}
    ops = (
        RowOp("first", 0, (Read("a", 3, 1, 1, fill=b"\0"),), (Write("b"),), 12),
        RowOp("second", 1, (Read("b", 1, 2, 0),), (Write("c"),), 6, scratch_bytes=16),
    )
    program = make_program(
        RowOps(tensors, ops, ("a",), ("c",)),
        [(0, 1), (1, 2)],
    )
    plan = plan_memory(program)
    assert find_fault(program, plan) is None
    assert plan.arena_bytes >= plan.lower_bound_bytes
