"""Which decisions are tried, and in which order.

The default comes first, then the rest of the space in a seeded order without repetition. Spaces are
small (at most some hundred assignments), and each round measures one candidate of every task in one
program, so exhausting them is cheap; MetaSchedule's replay-trace draws with repetition, which at
equal trials finds less (`simulate` compares them on a measured table).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from edgemnv2.tune.task import Task

__all__ = ["assignments", "candidates", "simulate"]


def assignments(task: Task) -> list[dict[str, Any]]:
    """Every assignment of the task's decisions, sorted by name, in the order of the space."""
    names = sorted(task.space)
    products = itertools.product(*(task.space[name] for name in names))
    return [dict(zip(names, values, strict=True)) for values in products]


def candidates(task: Task, trials: int, seed: int) -> list[dict[str, Any]]:
    """The first `trials` candidates for `seed`: the default, then others, none twice."""
    default = dict(sorted(task.default.items()))
    rest = [decisions for decisions in assignments(task) if decisions != default]
    # A task's order depends on nothing but itself, so that models that share it share it all.
    random.Random(f"{seed} {task.key}").shuffle(rest)
    return [default, *rest][: max(1, trials)]


def simulate(costs: Sequence[float], trials: int, runs: int, seed: int) -> Mapping[str, float]:
    """Mean best cost over `runs` searches with and without repetition, on a measured table.

    `costs[0]` is the default's, which both know.
    """
    draws = random.Random(seed)
    sums = {"without repetition": 0.0, "with repetition": 0.0}
    others = list(costs[1:])
    for _ in range(runs):
        without = draws.sample(others, min(trials - 1, len(others)))
        repeated = draws.choices(costs, k=trials)
        sums["without repetition"] += min([costs[0], *without])
        sums["with repetition"] += min([costs[0], *repeated])
    return {name: total / runs for name, total in sums.items()}
