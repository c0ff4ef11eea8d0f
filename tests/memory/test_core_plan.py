"""Plans for two cores: the check rejects every planted fault, and real plans pass it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgemnv2.frontend import load_model
from edgemnv2.memory.core_plan import CorePlan, core_scratch, plan_cores, replay_span, step_waits
from edgemnv2.memory.core_verify import find_core_fault
from edgemnv2.memory.planner import plan_memory
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, plan_network
from edgemnv2.program import MemoryPlan, Placement, Step
from edgemnv2.streaming.order import make_program
from edgemnv2.target import load_target
from tests.memory.test_thread_plan import CHAINS, ROWS
from tests.streaming.random_toys import random_toy

ONE = make_program(ROWS, CHAINS)


def cost(step: Step) -> float:
    return 1.0 + step.op % 3


def fault_of(made: CorePlan, **changed: object) -> str | None:
    values = {"plan": made.plan, "waits": made.waits, **changed}
    plan, waits = values["plan"], values["waits"]
    assert isinstance(plan, MemoryPlan) and isinstance(waits, tuple)
    cores = made.cores
    return find_core_fault(cores.program, cores.core, plan, waits, core_scratch)


@pytest.fixture(scope="module")
def made() -> CorePlan:
    return plan_cores(ONE, cost, 1 << 20, 8)


@pytest.mark.slow(ci=True)
def test_real_plans_pass(made: CorePlan) -> None:
    assert fault_of(made) is None
    for seed in range(12):
        rows = random_toy(seed).rows
        program = make_program(rows, [(0, len(rows.ops))])
        assert fault_of(plan_cores(program, cost, 1 << 20, 8)) is None


def test_no_wait_can_be_left_out(made: CorePlan) -> None:
    """Each of them keeps two steps apart, and a lower one does not."""
    waiting = [i for i, wait in enumerate(made.waits) if wait]
    assert waiting
    for at in waiting:
        waits = list(made.waits)
        waits[at] -= 1
        found = fault_of(made, waits=tuple(waits))
        assert found is not None and "and is sure of" in found


def test_a_wait_for_a_later_step_is_a_deadlock(made: CorePlan) -> None:
    waits = (len(made.waits), *made.waits[1:])
    found = fault_of(made, waits=waits)
    assert found is not None and "may wait for it" in found


def test_one_scratch_for_both_cores_is_found(made: CorePlan) -> None:
    one, other = core_scratch("expand", 0), core_scratch("expand", 1)
    assert {one, other} <= made.plan.scratch.keys()
    plan = replace(made.plan, scratch={**made.plan.scratch, other: made.plan.scratch[one]})
    assert fault_of(made, plan=plan) is not None
    gone = {key: at for key, at in made.plan.scratch.items() if key != other}
    found = fault_of(made, plan=replace(made.plan, scratch=gone))
    assert found == "expand: scratch of core 1 not placed"


def test_rows_over_one_another_are_found(made: CorePlan) -> None:
    slots = made.plan.placements["expanded"].slots
    for moved in (slots[:1] * len(slots), slots[:-1]):
        plan = replace(made.plan, placements={**made.plan.placements, "expanded": Placement(moved)})
        assert fault_of(made, plan=plan) is not None


def test_waits_follow_the_places(made: CorePlan) -> None:
    """Where nothing is used again, only what is read is waited for."""
    at, places = 0, {}
    for name, tensor in ONE.tensors.items():
        rows = range(at, at + tensor.size_bytes, tensor.row_bytes)
        places[name] = Placement(tuple(rows))
        at += -(-tensor.size_bytes // 8) * 8
    scratch = {}
    for op in ONE.ops:
        for core in (0, 1):
            scratch[core_scratch(op.name, core)] = at
            at += -(-op.scratch_bytes // 8) * 8
    roomy = MemoryPlan(places, scratch, at, 0, 8)
    waits = step_waits(made.cores, roomy)
    assert fault_of(made, plan=roomy, waits=waits) is None
    assert sum(waits) <= sum(made.waits)


def test_the_least_arena_is_taken_where_none_is_small_enough() -> None:
    small = plan_cores(ONE, cost, 0, 8)
    large = plan_cores(ONE, cost, 1 << 20, 8)
    assert small.plan.arena_bytes <= large.plan.arena_bytes
    assert large.cores.span <= small.cores.span


@pytest.mark.parametrize(
    "model",
    [
        "mobilenetv2-0.35-96-int8",
        pytest.param("mobilenetv2-0.5-128-int8", marks=pytest.mark.slow(ci=True)),
    ],
)
def test_a_network_fits_in_a_quarter_more_and_half_the_time(model: str) -> None:
    """The bars of the issue, in the estimate; `tests/runners/test_two_cores.py` counts."""
    target = load_target("rpi-pico2")
    graph = lower(load_model(model))
    one = plan_network(graph, target, CompileOptions(use_tune_logs=False))
    two = plan_network(graph, target, CompileOptions(use_tune_logs=False, threads=2)).cores
    assert two is not None
    assert two.plan.arena_bytes <= 1.25 * one.whole.plan.arena_bytes
    took = [end - begin for begin, end in zip(two.cores.begin, two.cores.end, strict=True)]
    span, work = replay_span(two, took)
    assert span <= 0.57 * sum(took) and max(work) <= 0.56 * sum(took)


def test_a_plan_for_one_core_is_no_plan_for_two(made: CorePlan) -> None:
    """Its rows are free as soon as a step of the other core may still read them."""
    alone = plan_memory(made.cores.program)
    scratch = {
        core_scratch(name, core): at for name, at in alone.scratch.items() for core in (0, 1)
    }
    plan = replace(alone, scratch=scratch)
    assert fault_of(made, plan=plan) is not None
