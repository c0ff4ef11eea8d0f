"""MetaSchedule's own search over the decisions of each task.

A task is a TuneContext: its design space is the trace that samples every decision (workload.py), a
mutator of ours gives one decision another value (MetaSchedule's own know loop tiles, unrolling and
parallel loops only), and a cost model of ours stands behind EvolutionarySearch (cost_model.py says
why not one of MetaSchedule's). What was measured goes back as RunnerResult and into the database
from which the search takes its parents.

MetaSchedule's TaskScheduler is not used: it gives a program to each candidate, and here one program
has a candidate of every task in it, so the rounds are the tuner's.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tvm
from tvm.ir.utils import derived_object
from tvm.s_tir import meta_schedule as ms
from tvm.s_tir.meta_schedule import _ffi_api
from tvm.s_tir.meta_schedule.cost_model import PyCostModel
from tvm.s_tir.meta_schedule.logging import get_logging_func
from tvm.s_tir.meta_schedule.mutator import PyMutator
from tvm.s_tir.meta_schedule.space_generator import ScheduleFn

from edgemnv2.records.task import Task
from edgemnv2.records.workload import sample_decisions, sampled, trace_of, workload_of
from edgemnv2.tuner.cost_model import DecisionModel

__all__ = ["PER_ITERATION", "MetaSearch"]

PER_ITERATION = 4
"""Candidates of a task between two looks at what they cost."""
ENDLESS = 2**30
"""The tuner counts the trials."""
POPULATION = 48
GENERATIONS = 3
_TARGET = {"kind": "llvm", "num-cores": 1}
"""MetaSchedule wants one; nothing of ours is lowered with it."""


@dataclass
class _Tuned:
    """One task under way: `open` are candidates that have no result yet."""

    context: Any
    database: Any
    workload: Any
    open: dict[str, list[Any]]
    default_cost: float = 1.0


class MetaSearch:
    """`strategy` "evolutionary" or "replay-trace"; the latter never ends by itself."""

    def __init__(self, strategy: str, seed: int) -> None:
        self._strategy, self._seed = strategy, seed
        self._model = DecisionModel()
        self._tasks: dict[str, _Tuned] = {}

    def propose(self, task: Task) -> list[dict[str, Any]]:
        """See `Search`; asked again before all was told, it goes by what it knows."""
        state = self._state(task)
        default = dict(sorted(task.default.items()))
        while True:
            found = state.context.generate_measure_candidates()
            if found is None:
                return []
            proposed = []
            for candidate in found:
                decisions = sampled(candidate.sch.trace, task.space)
                if decisions == default:
                    self._notify(state, candidate, state.default_cost)
                    continue
                state.open.setdefault(str(decisions), []).append(candidate)
                proposed.append(decisions)
            if proposed:
                return proposed
            # An iteration that found nothing new: MetaSchedule gives up after a few of them.

    def tell(self, task: Task, decisions: Mapping[str, Any], cost: float | None) -> None:
        """See `Search`."""
        decisions = dict(sorted(decisions.items()))
        state = self._state(task)
        # Over between two ticks of a clock: nothing was measured.
        cost = cost or None
        if cost is not None:
            if decisions == dict(sorted(task.default.items())):
                state.default_cost = cost
            self._model.update(task, decisions, cost / state.default_cost)
            trace = trace_of(task.key, task.space, decisions)
            state.database.commit_tuning_record(
                ms.database.TuningRecord(
                    trace, state.database.commit_workload(state.workload), [cost], None, []
                )
            )
        for candidate in state.open.pop(str(decisions), []):
            self._notify(state, candidate, cost)

    @staticmethod
    def _notify(state: _Tuned, candidate: Any, cost: float | None) -> None:
        result = (
            ms.runner.RunnerResult(None, "could not be used")
            if cost is None
            else ms.runner.RunnerResult([cost], None)
        )
        state.context.notify_runner_results([candidate], [result])

    def _state(self, task: Task) -> _Tuned:
        if task.name not in self._tasks:
            self._tasks[task.name] = self._start(task)
        return self._tasks[task.name]

    def _start(self, task: Task) -> _Tuned:
        # A context's numbers depend on nothing but the seed and the task.
        text = f"{self._seed} {task.key} {task.name}"
        state = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % (2**31 - 1) + 1
        evolutionary = self._strategy == "evolutionary"
        workload = workload_of()
        space = ScheduleFn(
            partial(sample_decisions, key=task.key, space=task.space),
            sch_rules=[],
            postprocs=[],
            mutator_probs={_OtherValue(state): 1.0},
        )
        strategy = (
            ms.search_strategy.EvolutionarySearch(
                population_size=POPULATION,
                init_min_unmeasured=POPULATION // 2,
                genetic_num_iters=GENERATIONS,
            )
            if evolutionary
            else ms.search_strategy.ReplayTrace()
        )
        context = _Context(workload, space, strategy, task.name, state)
        database = ms.database.MemoryDatabase()
        context.pre_tuning(
            max_trials=ENDLESS,
            num_trials_per_iter=PER_ITERATION,
            database=database,
            cost_model=_TaskModel(self._model, task) if evolutionary else None,
        )
        return _Tuned(context, database, workload, {})


class _Context(ms.TuneContext):  # type: ignore[misc]  # TVM ships no types
    """A TuneContext of one thread.

    TVM's own constructor first parses every tensor intrinsic that there is, which takes twenty
    seconds and which no kernel of ours uses.
    """

    def __init__(self, workload: Any, space: Any, strategy: Any, name: str, state: int) -> None:
        self.__init_handle_by_constructor__(
            _ffi_api.TuneContext,
            workload,
            tvm.target.Target(_TARGET),
            space,
            strategy,
            name,
            1,
            state,
            get_logging_func(logging.getLogger(__name__)),
        )
        _ffi_api.TuneContextInitialize(self)


@derived_object
class _OtherValue(PyMutator):  # type: ignore[misc]
    """Gives one decision of a trace another of its values."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.random = random.Random(seed)

    def _initialize_with_tune_context(self, context: Any) -> None:
        """Nothing of the context is needed."""

    def apply(self, trace: Any, _: int) -> Any:
        """A trace that differs in one decision, None where there is nothing to choose."""
        sampled = [
            (instruction, len(instruction.attrs[0]))
            for instruction in trace.insts
            if str(instruction.kind.name) == "SampleCategorical" and len(instruction.attrs[0]) > 1
        ]
        if not sampled:
            return None
        instruction, count = self.random.choice(sampled)
        now = int(trace.decisions[instruction])
        other = (now + self.random.randrange(1, count)) % count
        return trace.with_decision(instruction, other, remove_postproc=True)

    def clone(self) -> Any:
        """For a thread of its own."""
        return _OtherValue(self.seed)


@derived_object
class _TaskModel(PyCostModel):  # type: ignore[misc]
    """The model that all tasks share, as the search of one of them asks it."""

    def __init__(self, model: DecisionModel, task: Task) -> None:
        super().__init__()
        self.model, self.task = model, task

    def load(self, path: str) -> None:
        """Nothing is kept: the log is what it learns from."""

    def save(self, path: str) -> None:
        """Nothing is kept."""

    def update(self, context: Any, candidates: Any, results: Any) -> None:
        """The model is told by `MetaSearch.tell`, about all tasks."""

    def predict(self, context: Any, candidates: Any) -> Any:
        """Higher is better."""
        decisions = [sampled(one.sch.trace, self.task.space) for one in candidates]
        return np.asarray(self.model.promise(self.task, decisions), np.float64)
