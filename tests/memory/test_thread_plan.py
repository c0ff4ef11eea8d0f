"""Plans for several threads: the check rejects every planted fault, and real plans pass it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemnv2.memory.thread_plan import Ring, ThreadPlan, plan_threads
from edgemnv2.memory.thread_verify import find_thread_fault
from edgemnv2.program import Read, RowOp, RowTensor, Write
from edgemnv2.streaming.bands import BandProgram, BandStep, Split, make_bands
from edgemnv2.streaming.lower import RowOps

# A streamed inverted residual, a late one on whole maps, pooling, a classifier.
TENSORS = {
    t.name: t
    for t in (
        RowTensor("image", 12, 16),
        RowTensor("expanded", 12, 48),
        RowTensor("deep", 12, 48),
        RowTensor("sum", 12, 16),
        RowTensor("late", 12, 24),
        RowTensor("total", 1, 96, 4),
        RowTensor("mean", 1, 24),
        RowTensor("logits", 1, 20),
    )
}
OPS = (
    RowOp("expand", 0, (Read("image"),), (Write("expanded"),), 12, scratch_bytes=24),
    RowOp("depthwise", 1, (Read("expanded", 3, 1, 1, fill=b"\0"),), (Write("deep"),), 12),
    RowOp("project", 2, (Read("deep"),), (Write("sum"),), 12),
    RowOp("add", 3, (Read("image"), Read("sum")), (Write("sum"),), 12, updates=True),
    RowOp("head", 4, (Read("sum"),), (Write("late"),), 1, rows_per_step=12, scratch_bytes=8),
    RowOp("pool.sum", 5, (Read("late"),), (Write("total"),), 12, accumulates=True),
    RowOp("pool", 5, (Read("total"),), (Write("mean"),), 1),
    RowOp("classifier", 6, (Read("mean"),), (Write("logits"),), 1, scratch_bytes=8),
)
ROWS = RowOps(TENSORS, OPS, ("image",), ("logits",))
CHAINS = [(0, 4), (4, 5), (5, 7), (7, 8)]
# A row of "sum" has 8 pixels of 2 bytes, one of "late" 8 of 3.
SPLITS = {"head": Split("pixels", 96), "classifier": Split("channels", 20, 4)}


def _scratch(step: BandStep) -> int:
    return OPS[step.op].scratch_bytes


def _planned(threads: int = 2) -> tuple[BandProgram, ThreadPlan]:
    program = make_bands(ROWS, CHAINS, SPLITS, threads)
    return program, plan_threads(program, _scratch, 8)


@pytest.mark.parametrize("threads", [2, 3, 4, 16])
def test_real_plans_pass(threads: int) -> None:
    program, plan = _planned(threads)
    assert find_thread_fault(program, plan, _scratch) is None
    assert plan.lower_bound_bytes <= plan.arena_bytes
    assert [stage.kind for stage in program.stages] == ["bands", "split", "serial", "split"]
    assert set(plan.shared) == {"sum", "late", "total", "mean"}


def _faulty(plan: ThreadPlan, fault: str) -> ThreadPlan:
    ring = plan.private[0, "expanded"]
    if fault == "one ring for two threads":
        return replace(plan, private={**plan.private, (1, "expanded"): ring})
    if fault == "shallow ring":
        return replace(plan, private={**plan.private, (0, "expanded"): Ring(ring.base, 2)})
    if fault == "shared tensor over a ring":
        return replace(plan, shared={**plan.shared, "sum": ring.base})
    if fault == "result over its source":
        return replace(plan, shared={**plan.shared, "late": plan.shared["sum"]})
    if fault == "one scratch for two threads":
        return replace(plan, scratch={**plan.scratch, (0, 1): plan.scratch[0, 0]})
    if fault == "scratch over the output":
        return replace(plan, scratch={**plan.scratch, (0, 0): ring.base})
    if fault == "crooked scratch":
        beyond = {**plan.scratch, (1, 0): plan.arena_bytes + 4}
        return replace(plan, scratch=beyond, arena_bytes=plan.arena_bytes + 16)
    assert fault == "arena too small"
    return replace(plan, arena_bytes=plan.arena_bytes - 8)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("one ring for two threads", "what another writes"),
        ("shallow ring", "expanded"),
        ("shared tensor over a ring", "what another writes"),
        ("result over its source", "what another writes"),
        ("one scratch for two threads", "what another writes"),
        ("scratch over the output", "scratch meets expanded"),
        ("crooked scratch", "scratch is not aligned"),
        ("arena too small", "leaves the arena"),
    ],
)
def test_a_faulty_plan_is_rejected(fault: str, words: str) -> None:
    program, plan = _planned()
    found = find_thread_fault(program, _faulty(plan, fault), _scratch)
    assert found is not None and words in found, found


def _without_step(program: BandProgram, stage: int, thread: int, at: int) -> BandProgram:
    stages = list(program.stages)
    steps = [list(s) for s in stages[stage].steps]
    del steps[thread][at]
    stages[stage] = replace(stages[stage], steps=tuple(tuple(s) for s in steps))
    return replace(program, stages=tuple(stages))


@pytest.mark.parametrize("thread", [0, 1])
def test_a_missing_step_is_rejected(thread: int) -> None:
    program, plan = _planned()
    for at in range(len(program.stages[0].steps[thread])):
        assert find_thread_fault(_without_step(program, 0, thread, at), plan, _scratch)


def test_a_missing_barrier_is_rejected() -> None:
    """Two stages run as one: the second reads what the other thread has not made for sure."""
    program, plan = _planned()
    first, second = program.stages[:2]
    merged = replace(
        first,
        last=second.last,
        steps=tuple(a + b for a, b in zip(first.steps, second.steps, strict=True)),
    )
    shifted = {(max(0, n - 1), t): base for (n, t), base in plan.scratch.items() if n != 1}
    together = replace(program, stages=(merged, *program.stages[2:]))
    # The pixels of the parts do not end where the bands of rows do.
    uneven = replace(
        together,
        stages=(
            replace(
                merged,
                steps=tuple(
                    tuple(
                        replace(s, first=30 * t, count=(30, 66)[t]) if s.unit == "pixels" else s
                        for s in steps
                    )
                    for t, steps in enumerate(merged.steps)
                ),
            ),
            *program.stages[2:],
        ),
    )
    found = find_thread_fault(uneven, replace(plan, scratch=shifted), _scratch)
    assert found is not None and "what another writes" in found, found
