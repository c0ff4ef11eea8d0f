"""A cost model over decisions: what a candidate may cost, from all that was measured so far.

A Gaussian process over log(cost / cost of the task's default). Two candidates are the more alike
the fewer decisions they differ in, and tasks of one kind (operation and names of decisions) learn
from each other: a tile that is good for one pointwise layer is likely to be good for the next.

MetaSchedule's own models cannot do this: XGBModel and MLPModel look at the stores of a TIR loop
nest, of which a workload that is made from decisions has none (`PerStoreFeature` gives an array of
shape (0, 164), and XGBModel predicts at random); MLPModel wants torch besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.records.task import Task

__all__ = ["DecisionModel"]

Array = NDArray[np.float64]
DIFFERENT_DECISION = 0.6
"""By what factor two candidates are less alike for each decision that differs."""
DIFFERENT_TASK = 0.8
"""The same for two tasks of one kind."""
NOISE = 1e-3
"""Variance of one figure, in units of the variance between candidates."""
CURIOSITY = 1.0
"""Standard deviations by which a candidate is taken for better than expected."""


class DecisionModel:
    """Costs that were seen, by kind of task."""

    def __init__(self) -> None:
        self._seen: dict[str, list[tuple[str, tuple[str, ...], float]]] = {}
        self._solved: dict[str, tuple[Array, Array, float, float]] = {}

    def update(self, task: Task, decisions: Mapping[str, Any], ratio: float) -> None:
        """`decisions` cost `ratio` times what the default of `task` costs."""
        kind = _kind(task)
        self._seen.setdefault(kind, []).append((task.name, _row(decisions), float(np.log(ratio))))
        self._solved.pop(kind, None)

    def promise(self, task: Task, candidates: Sequence[Mapping[str, Any]]) -> Array:
        """The higher the better: how far below the default each candidate may be, with some luck.

        Without a unit; MetaSchedule wants no more than an order.
        """
        kind = _kind(task)
        seen = self._seen.get(kind, [])
        if not seen:
            return np.zeros(len(candidates))
        inverse, weights, mean, spread = self._solve(kind)
        rows = [(task.name, _row(decisions)) for decisions in candidates]
        cross = _likeness(rows, [(name, row) for name, row, _ in seen])
        expected = mean + spread * (cross @ weights)
        variance = np.maximum(1.0 - np.sum((cross @ inverse) * cross, axis=1), 0.0)
        found: Array = -(expected - CURIOSITY * spread * np.sqrt(variance))
        return found

    def _solve(self, kind: str) -> tuple[Array, Array, float, float]:
        if kind not in self._solved:
            seen = self._seen[kind]
            rows = [(name, row) for name, row, _ in seen]
            values = np.array([value for _, _, value in seen])
            mean = float(values.mean())
            spread = max(float(values.std()), 1e-6)
            kernel = _likeness(rows, rows) + NOISE * np.eye(len(rows))
            inverse: Array = np.linalg.inv(kernel).astype(np.float64)
            self._solved[kind] = (inverse, inverse @ ((values - mean) / spread), mean, spread)
        return self._solved[kind]


def _kind(task: Task) -> str:
    return " ".join([task.op, *sorted(task.space)])


def _row(decisions: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(decisions[name]) for name in sorted(decisions))


def _likeness(
    a: Sequence[tuple[str, tuple[str, ...]]], b: Sequence[tuple[str, tuple[str, ...]]]
) -> Array:
    """1 for the same candidate of the same task, less for each difference."""
    first, second = np.array([row for _, row in a]), np.array([row for _, row in b])
    differences = (first[:, None, :] != second[None, :, :]).sum(axis=2)
    tasks = np.array([name for name, _ in a])[:, None] != np.array([name for name, _ in b])[None, :]
    found: Array = DIFFERENT_DECISION**differences * DIFFERENT_TASK**tasks
    return found
