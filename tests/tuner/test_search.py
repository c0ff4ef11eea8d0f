"""Strategies: what they propose, that they end, and that they follow what they are told."""

from __future__ import annotations

from typing import Any

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.lab.compare_strategies import Table, regret, trials_until
from edgemnv2.records.task import Task, find_tasks
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from edgemnv2.tuner.cost_model import DecisionModel
from edgemnv2.tuner.search import STRATEGIES, Neighbours, assignments, default_strategy, make_search
from tests.tuner.tiny_network import tiny_network

TARGET = load_target("rpi4")


def _task(op: str = "pointwise") -> Task:
    tasks = find_tasks(tiny_network(), TARGET, ScheduleOptions.default(TARGET))
    return next(task for task in tasks if task.op == op)


def _cost(decisions: dict[str, Any]) -> float:
    return 100.0 - 5 * decisions["mr"] - decisions["nr"] + 9 * (decisions["order"] == "pixel")


def _proposed(strategy: str, seed: int, count: int) -> list[dict[str, Any]]:
    """The first `count` candidates for one task, each told what it costs."""
    task, search = _task(), make_search(strategy, seed)
    search.tell(task, task.default, _cost(dict(task.default)))
    found: list[dict[str, Any]] = []
    while len(found) < count and (batch := search.propose(task)):
        for decisions in batch:
            search.tell(task, decisions, _cost(decisions))
        found += batch
    return found[:count]


def test_neighbours_of_the_default_come_first_and_nothing_twice() -> None:
    task = _task()
    found = Neighbours(5).propose(task)
    assert len({str(d) for d in found}) == len(found) == task.size - 1
    assert dict(task.default) not in found
    changes = [sum(d[n] != task.default[n] for n in d) for d in found]
    neighbours = sum(len(values) - 1 for values in task.space.values())
    assert all(count == 1 for count in changes[:neighbours])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_stays_inside_the_space_and_keeps_to_its_seed(strategy: str) -> None:
    found = _proposed(strategy, 3, 12)
    assert all(decisions in assignments(_task()) for decisions in found)
    assert dict(_task().default) not in found
    assert found == _proposed(strategy, 3, 12)
    assert found != _proposed(strategy, 4, 12)


def test_evolutionary_search_repeats_nothing_and_ends_when_the_space_does() -> None:
    task = _task()
    found = _proposed("evolutionary", 1, 1000)
    assert len({str(d) for d in found}) == len(found)
    assert len(found) >= 0.9 * (task.size - 1)


def test_evolutionary_search_follows_what_it_is_told() -> None:
    tries = _task().size // 5
    least = min(_cost(decisions) for decisions in assignments(_task()))
    for seed in range(3):
        assert least in {_cost(decisions) for decisions in _proposed("evolutionary", seed, tries)}


def test_a_candidate_that_could_not_be_used_does_not_stop_the_search() -> None:
    task, search = _task(), make_search("evolutionary", 0)
    search.tell(task, task.default, 1.0)
    for decisions in search.propose(task):
        search.tell(task, decisions, None)
    assert search.propose(task)


def test_the_model_learns_from_the_other_tasks_of_its_kind() -> None:
    model, task = DecisionModel(), _task()
    other = Task(task.key + " ", task.op, ("x",), task.space, task.default, 1)
    good, bad = assignments(task)[3], assignments(task)[20]
    assert (model.promise(task, [good, bad]) == 0).all()
    model.update(other, good, 0.8)
    model.update(other, bad, 1.2)
    promise = model.promise(task, [good, bad])
    assert promise[0] > promise[1]
    assert (model.promise(_task("depthwise"), assignments(_task("depthwise"))) == 0).all()


def test_what_a_clock_says_does_not_change_the_candidates() -> None:
    assert default_strategy("seconds") == "neighbours"
    assert default_strategy("instructions") == default_strategy("cycles") == "evolutionary"
    with pytest.raises(UsageError, match="strategy=guess: expected one of evolutionary"):
        make_search("guess", 0)


def test_regret_is_what_more_trials_could_still_save() -> None:
    task = _task()
    costs = [_cost(decisions) for decisions in assignments(task)]
    table = Table.of(task, costs)
    for strategy in STRATEGIES:
        curves = trials_until([table], strategy, 0, 8)
        curve = curves[task.name]
        assert len(curve) == 8 and curve == sorted(curve, reverse=True)
        assert curve[0] == _cost(dict(task.default))
        least = min(costs)
        assert regret([table], curves, 8) == pytest.approx(curve[7] / least - 1)
