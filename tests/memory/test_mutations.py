"""Faulty programs and plans by name: each is refused, and by one check only.

For every fault two tests: it is found, in these words; and with that one check taken away it
passes. So no check is there for show, and none of the tests passes by accident.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from edgemnv2.memory import thread_verify, verify
from edgemnv2.memory.planner import Planned, plan_memory
from edgemnv2.memory.thread_plan import ThreadPlan, plan_threads
from edgemnv2.memory.thread_verify import find_thread_fault
from edgemnv2.memory.verify import find_fault
from edgemnv2.program import (
    FEED,
    MemoryPlan,
    Placement,
    Program,
    Read,
    RowOp,
    RowOps,
    RowTensor,
    Step,
    Write,
)
from edgemnv2.streaming.bands import BandProgram, BandStep, make_bands
from edgemnv2.streaming.order import make_program

# An image that is fed and a whole second input; two writers of one row; two heads.
TENSORS = {
    t.name: t
    for t in (
        RowTensor("image", 8, 16),
        RowTensor("bias", 1, 8),
        RowTensor("left", 8, 8),
        RowTensor("join", 8, 16),
        RowTensor("a", 8, 8),
        RowTensor("b", 4, 8),
    )
}
ONE, TWO, HEAD_A, HEAD_B = 1, 2, 3, 4
OPS = (
    RowOp("stem", 0, (Read("image", 3, 1, 1, fill=b"\0"),), (Write("left"),), 8),
    RowOp("one", 1, (Read("left"),), (Write("join", part_bytes=4, pitch_bytes=8),), 8),
    RowOp(
        "two",
        2,
        (Read("left"), Read.broadcast("bias")),
        (Write("join", offset_bytes=4, part_bytes=4, pitch_bytes=8),),
        8,
        scratch_bytes=4,
    ),
    RowOp("head a", 3, (Read("join"),), (Write("a"),), 8),
    RowOp("head b", 4, (Read("join", 2, 2),), (Write("b"),), 4, scratch_bytes=8),
)
ROWS = RowOps(TENSORS, OPS, ("image", "bias"), ("a", "b"))


def _sound() -> Planned:
    """Every tensor whole, side by side, and 8 bytes free behind each."""
    program = make_program(ROWS, [(0, len(OPS))], fed=("image",), orders=["together"])
    at, placements, scratch = 0, {}, {}
    for name, tensor in TENSORS.items():
        rows = range(tensor.height)
        placements[name] = Placement(tuple(at + row * tensor.row_bytes for row in rows))
        at += tensor.size_bytes + 8
    for op in OPS:
        if op.scratch_bytes:
            scratch[op.name] = at
            at += 8
    return Planned(program, MemoryPlan(placements, scratch, at, 0, 8))


@dataclass(frozen=True)
class Fault:
    """One mutation: how it is made, what is said of it, and the check that finds it."""

    name: str
    mutate: Callable[[Program, MemoryPlan], tuple[Program, MemoryPlan]]
    words: str
    check: str
    """A function of the module, or a method of its simulation."""


def _with_op(program: Program, index: int, **changes: object) -> Program:
    ops = list(program.ops)
    ops[index] = replace(ops[index], **changes)  # type: ignore[arg-type]
    return replace(program, ops=tuple(ops))


def _with_scratch(plan: MemoryPlan, op: str, base: int) -> MemoryPlan:
    return replace(plan, scratch={**plan.scratch, op: base})


def _with_slots(plan: MemoryPlan, name: str, slots: tuple[int, ...]) -> MemoryPlan:
    return replace(plan, placements={**plan.placements, name: Placement(slots)})


def _declared_over_half(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    write = Write("join", part_bytes=8, pitch_bytes=8)
    return _with_op(p, TWO, writes=(write,)), plan


def _scratch_over_half(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """All first halves, then all second ones, whose scratch lies on the first half of row 7."""
    steps = [Step(FEED, row) for row in range(8)]
    steps += [Step(number, row) for number, op in enumerate(p.ops) for row in range(op.steps)]
    base = plan.placements["join"].slots[7]
    return replace(p, steps=tuple(steps)), _with_scratch(plan, "two", base)


def _head_without_steps(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    return replace(p, steps=tuple(s for s in p.steps if s.op != HEAD_A)), plan


def _before_last_writer(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    steps = list(p.steps)
    steps.remove(Step(HEAD_A, 3))
    steps.insert(steps.index(Step(TWO, 3)), Step(HEAD_A, 3))
    return replace(p, steps=tuple(steps)), plan


def _fed_twice(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    at = p.steps.index(Step(FEED, 2))
    return replace(p, steps=(*p.steps[: at + 1], Step(FEED, 2), *p.steps[at + 1 :])), plan


def _past_the_window(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    return _with_op(p, HEAD_A, reads=(Read("join", 2, 1, 1),)), plan


def _past_the_ring(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """Two rows of a window of three are kept."""
    return p, _with_slots(plan, "image", plan.placements["image"].slots[:2])


def _scratch_over_output(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    return p, _with_scratch(plan, "head b", plan.placements["a"].slots[0])


def _result_over_operand(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """The last reader of a row writes over it."""
    slots = (plan.placements["join"].slots[0], *plan.placements["b"].slots[1:])
    return p, _with_slots(plan, "b", slots)


def _scratch_over_operand(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """On a row that nobody needs after this step."""
    return p, _with_scratch(plan, "head b", plan.placements["join"].slots[0])


def _step_twice(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    at = p.steps.index(Step(HEAD_A, 4))
    return replace(p, steps=(*p.steps[: at + 1], Step(HEAD_A, 4), *p.steps[at + 1 :])), plan


def _scattered(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """Two rows through one pointer, of which the second is elsewhere."""
    read = replace(p.ops[HEAD_B].reads[0], contiguous=True)
    slots = plan.placements["join"].slots
    end = plan.arena_bytes
    wide = replace(plan, arena_bytes=end + 16)
    return _with_op(p, HEAD_B, reads=(read,)), _with_slots(wide, "join", (*slots[:7], end))


def _outside_the_arena(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    """Python would take the bytes from the other end."""
    return p, _with_slots(plan, "b", (*plan.placements["b"].slots[:3], -16))


def _hole(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    return _with_op(p, TWO, writes=(replace(p.ops[TWO].writes[0], part_bytes=3),)), plan


def _one_tensor_two_ends(p: Program, plan: MemoryPlan) -> tuple[Program, MemoryPlan]:
    return replace(p, outputs=("a", "b", "a")), plan


FAULTS = (
    Fault("a writer clobbers another's half", _declared_over_half, "makes, too", "writers_fault"),
    Fault(
        "scratch clobbers a writer's half",
        _scratch_over_half,
        "reads join[7], which was overwritten",
        "Simulation.reads_fault",
    ),
    Fault("a head without steps", _head_without_steps, "end: a[0]", "Simulation.end_fault"),
    Fault(
        "a row read before its last writer",
        _before_last_writer,
        "reads join[3], which is not made yet",
        "Simulation.reads_fault",
    ),
    Fault("an input fed twice", _fed_twice, "feeds row 2 of image", "Simulation.feed_fault"),
    Fault("a read past the window", _past_the_window, "past its 8 rows", "outside_fault"),
    Fault("a read past the ring", _past_the_ring, "overwritten", "Simulation.reads_fault"),
    Fault(
        "an output overwritten by scratch",
        _scratch_over_output,
        "end: a[0] was overwritten",
        "Simulation.end_fault",
    ),
    Fault(
        "a result over its operand",
        _result_over_operand,
        "output meets input join[0]",
        "Simulation.outputs_fault",
    ),
    Fault(
        "scratch over an operand",
        _scratch_over_operand,
        "scratch meets join[0]",
        "Simulation.scratch_fault",
    ),
    Fault("a step twice", _step_twice, "out of order", "Simulation.order_fault"),
    Fault(
        "rows of one pointer apart",
        _scattered,
        "rows 6 and 7 of join are not contiguous",
        "Simulation.contiguous_fault",
    ),
    Fault("a row outside the arena", _outside_the_arena, "leaves the arena", "placed_fault"),
    Fault("a byte that nobody makes", _hole, "nobody makes (byte 7)", "Simulation.reads_fault"),
    Fault("one tensor for two ends", _one_tensor_two_ends, "two ends", "ends_fault"),
)
BY_NAME = pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])


def _weaken(monkeypatch: pytest.MonkeyPatch, module: object, check: str) -> None:
    owner, _, name = check.rpartition(".")
    where = getattr(module, owner) if owner else module
    if name == "feed_fault":
        # It counts the rows, too.
        def count(self: verify.Simulation, tensor: str, row: int) -> None:
            self.fed_rows[tensor] = row + 1

        monkeypatch.setattr(where, name, count)
    elif name == "order_fault":

        def next_row(self: verify.Simulation, number: int, row: int) -> None:
            self.done[number] = row

        monkeypatch.setattr(where, name, next_row)
    else:
        monkeypatch.setattr(where, name, lambda *arguments: None)


def test_the_program_that_is_mutated_is_sound() -> None:
    sound = _sound()
    assert find_fault(sound.program, sound.plan) is None
    # And the planner's own plan of it shares memory.
    plan = plan_memory(sound.program)
    assert plan.lower_bound_bytes <= plan.arena_bytes < sound.plan.arena_bytes // 2


@BY_NAME
def test_a_fault_is_found(fault: Fault) -> None:
    sound = _sound()
    found = find_fault(*fault.mutate(sound.program, sound.plan))
    assert found is not None and fault.words in found, found


@BY_NAME
def test_it_passes_without_its_check(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = _sound()
    program, plan = fault.mutate(sound.program, sound.plan)
    _weaken(monkeypatch, verify, fault.check)
    assert find_fault(program, plan) is None


# -- several threads -------------------------------------------------------------------------------


def _scratch(step: BandStep) -> int:
    return OPS[step.op].scratch_bytes


def _threaded() -> tuple[BandProgram, ThreadPlan]:
    """The heads in a stage of their own, so that the joined rows are shared."""
    program = make_bands(ROWS, [(0, 3), (3, 5)], {}, 2)
    return program, plan_threads(program, _scratch, 8)


def _with_steps(program: BandProgram, stage: int, thread: int, steps: object) -> BandProgram:
    stages = list(program.stages)
    by_thread = list(stages[stage].steps)
    by_thread[thread] = tuple(steps)  # type: ignore[arg-type]
    stages[stage] = replace(stages[stage], steps=tuple(by_thread))
    return replace(program, stages=tuple(stages))


def _thread_head_without_steps(p: BandProgram, plan: ThreadPlan) -> tuple[BandProgram, ThreadPlan]:
    return _with_steps(p, 1, 1, [s for s in p.stages[1].steps[1] if s.op != HEAD_A]), plan


def _thread_half_missing(p: BandProgram, plan: ThreadPlan) -> tuple[BandProgram, ThreadPlan]:
    return _with_steps(p, 0, 1, [s for s in p.stages[0].steps[1] if s.op != TWO]), plan


def _thread_takes_anothers_row(p: BandProgram, plan: ThreadPlan) -> tuple[BandProgram, ThreadPlan]:
    """Both threads make row 7 of the first half."""
    extra = [BandStep(0, 7), BandStep(ONE, 7)]
    steps = list(p.stages[0].steps[0])
    return _with_steps(p, 0, 0, [*steps, *extra]), plan


def _thread_scratch_over_result(p: BandProgram, plan: ThreadPlan) -> tuple[BandProgram, ThreadPlan]:
    """On the row of "left" that the step has just read for the last time."""
    ring = plan.private[0, "left"]
    return p, replace(plan, scratch={**plan.scratch, (0, 0): ring.base})


def _thread_declared_over_half(p: BandProgram, plan: ThreadPlan) -> tuple[BandProgram, ThreadPlan]:
    ops = list(p.ops)
    ops[TWO] = replace(ops[TWO], writes=(Write("join", part_bytes=8, pitch_bytes=8),))
    return replace(p, ops=tuple(ops)), plan


THREAD_FAULTS = (
    ("a head without steps", _thread_head_without_steps, "end: a[4]", "Check.end_fault"),
    ("a half that is missing", _thread_half_missing, "join[4] is not made", "Check.reads_fault"),
    (
        "one row by two threads",
        _thread_takes_anothers_row,
        "writes what another writes",
        "Check.collision_fault",
    ),
    (
        "scratch over an operand",
        _thread_scratch_over_result,
        "scratch meets",
        "Check.scratch_fault",
    ),
    (
        "a writer clobbers another's half",
        _thread_declared_over_half,
        "makes, too",
        "declared_fault",
    ),
)
BY_THREAD_NAME = pytest.mark.parametrize(
    ("mutate", "words", "check"),
    [fault[1:] for fault in THREAD_FAULTS],
    ids=[fault[0] for fault in THREAD_FAULTS],
)
Mutate = Callable[[BandProgram, ThreadPlan], tuple[BandProgram, ThreadPlan]]


def test_the_threaded_program_that_is_mutated_is_sound() -> None:
    program, plan = _threaded()
    assert find_thread_fault(program, plan, _scratch) is None
    assert "join" in plan.shared and (0, "left") in plan.private


@BY_THREAD_NAME
def test_a_fault_of_threads_is_found(mutate: Mutate, words: str, check: str) -> None:
    found = find_thread_fault(*mutate(*_threaded()), _scratch)
    assert found is not None and words in found, found


@BY_THREAD_NAME
def test_a_fault_of_threads_passes_without_its_check(
    mutate: Mutate, words: str, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, plan = mutate(*_threaded())
    _weaken(monkeypatch, thread_verify, check)
    assert find_thread_fault(program, plan, _scratch) is None
