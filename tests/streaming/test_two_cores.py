"""Two cores: every step once, after what it needs, and both at work most of the time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from edgemnv2.program import Program, Step
from edgemnv2.streaming.order import make_program
from edgemnv2.streaming.two_cores import schedule_steps, step_needs
from tests.memory.test_thread_plan import CHAINS, ROWS
from tests.streaming.random_toys import random_toy

PROGRAM = make_program(ROWS, CHAINS)


def uneven(step: Step) -> float:
    return 1.0 + step.op % 3


def random_program(seed: int) -> Program:
    rows = random_toy(seed).rows
    return make_program(rows, [(0, len(rows.ops))])


@pytest.mark.parametrize("reach", [1, 2, 5, 100])
@pytest.mark.parametrize("seed", [None, *range(8)])
def test_steps_begin_after_the_end_of_what_they_need(seed: int | None, reach: int) -> None:
    program = PROGRAM if seed is None else random_program(seed)
    cores = schedule_steps(program, uneven, reach)
    new = cores.program.steps
    assert Counter(new) == Counter(program.steps)
    at = {step: number for number, step in enumerate(new)}
    for step, needs in zip(program.steps, step_needs(program), strict=True):
        for need in needs:
            assert cores.end[at[program.steps[need]]] <= cores.begin[at[step]]
    for core in (0, 1):
        own = [i for i, where in enumerate(cores.core) if where == core]
        for before, after in pairwise(own):
            assert cores.end[before] <= cores.begin[after]
    # In the listed order, which one core could follow, rows of an operation come in turn.
    for number in range(len(program.ops)):
        rows = [step.row for step in new if step.op == number]
        assert rows == sorted(rows)


def test_what_is_needed_is_read_off_the_rows() -> None:
    needs = step_needs(PROGRAM)
    at = {step: number for number, step in enumerate(PROGRAM.steps)}
    names = [op.name for op in PROGRAM.ops]

    def step(name: str, row: int) -> int:
        return at[Step(names.index(name), row)]

    assert needs[step("expand", 3)] == set()
    assert needs[step("depthwise", 3)] == {step("expand", row) for row in (2, 3, 4)}
    assert needs[step("add", 3)] == {step("project", 3)}
    # Sums are added up one after the other.
    assert step("pool.sum", 2) in needs[step("pool.sum", 3)]


def test_one_step_at_a_time_is_one_core() -> None:
    total = sum(map(uneven, PROGRAM.steps))
    assert schedule_steps(PROGRAM, uneven, 1).program.steps == PROGRAM.steps
    shared = schedule_steps(PROGRAM, uneven, 100)
    assert total / 2 <= shared.span < 0.8 * total
