"""Which candidates are tried, and in which order: strategies for all tasks of one network.

- "evolutionary": MetaSchedule's EvolutionarySearch over the traces of the decisions, led by our
  cost model over decisions, which all tasks share. It follows what it measures.
- "replay-trace": MetaSchedule's ReplayTrace: each candidate drawn anew, some twice.
- "neighbours": the default's neighbours, which differ in one decision, then the rest, each group in
  a seeded order and nothing twice. It does not depend on what is measured, so that a seed gives the
  same candidates on a machine whose clock is noisy.

How they compare at equal trials: `python -m edgemnv2.lab.compare_strategies`, whose figures are in
compare_strategies.json beside this file.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any, Protocol

from edgemnv2.errors import UsageError
from edgemnv2.records.task import Task

__all__ = [
    "STRATEGIES",
    "Neighbours",
    "Search",
    "assignments",
    "check_strategy",
    "default_strategy",
    "make_search",
]

STRATEGIES = ("evolutionary", "replay-trace", "neighbours")


class Search(Protocol):
    """Candidates for every task of one network."""

    def propose(self, task: Task) -> list[dict[str, Any]]:
        """The next few candidates, which may have been tried before; none: there are no more.

        The default is not among them: it is measured first, whatever the strategy.
        """
        ...

    def tell(self, task: Task, decisions: Mapping[str, Any], cost: float | None) -> None:
        """What a proposed candidate (or the default) costs; None: it could not be used."""
        ...


def default_strategy(metric: str) -> str:
    """Counts are exact and can be followed; a seed gives the same candidates in either case."""
    return "neighbours" if metric == "seconds" else "evolutionary"


def make_search(strategy: str, seed: int) -> Search:
    """A search without a limit of its own; UsageError for an unknown strategy."""
    check_strategy(strategy)
    if strategy == "neighbours":
        return Neighbours(seed)
    from edgemnv2.tuner.meta_search import MetaSearch  # imports TVM

    return MetaSearch(strategy, seed)


def check_strategy(strategy: str) -> None:
    """UsageError for an unknown strategy."""
    if strategy not in STRATEGIES:
        raise UsageError(f"strategy={strategy}: expected one of {', '.join(STRATEGIES)}")


def assignments(task: Task) -> list[dict[str, Any]]:
    """Every assignment of the task's decisions, sorted by name, in the order of the space."""
    names = sorted(task.space)
    products = itertools.product(*(task.space[name] for name in names))
    return [dict(zip(names, values, strict=True)) for values in products]


class Neighbours:
    """All candidates at once, neighbours of the default first."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._done: set[str] = set()

    def propose(self, task: Task) -> list[dict[str, Any]]:
        """See `Search`."""
        if task.name in self._done:
            return []
        self._done.add(task.name)
        default = dict(sorted(task.default.items()))
        rest = [decisions for decisions in assignments(task) if decisions != default]
        # A task's order depends on nothing but itself, so that models that share it share it all.
        random.Random(f"{self._seed} {task.key}").shuffle(rest)
        rest.sort(key=lambda decisions: _distance(decisions, default) > 1)
        return rest

    def tell(self, task: Task, decisions: Mapping[str, Any], cost: float | None) -> None:
        """Nothing is learned."""


def _distance(a: dict[str, Any], b: dict[str, Any]) -> int:
    """In how many decisions two assignments differ."""
    return sum(a[name] != b[name] for name in a)
