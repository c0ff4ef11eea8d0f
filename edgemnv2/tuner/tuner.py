"""Tuning a network for a target: rounds of trials, a log, the winners measured together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from edgemnv2.artifact import Artifact
from edgemnv2.errors import EdgeError, RunnerError, TuneLogError, UsageError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.passes.split_phases import split_phases
from edgemnv2.pipeline import CompileOptions
from edgemnv2.pipeline.options import check_options
from edgemnv2.provenance import provenance
from edgemnv2.records.files import PROVENANCE
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import applies
from edgemnv2.records.record import Record
from edgemnv2.records.task import Task, find_tasks, network_tasks
from edgemnv2.runners.base import BoardLost, Runner
from edgemnv2.target import Target, load_target
from edgemnv2.tuner.search import Neighbours, check_strategy, default_strategy, make_search
from edgemnv2.tuner.stale import codes_of, costs_agree, stale_tasks
from edgemnv2.tuner.trial import FINAL_PAIRS, Candidate, Trial, TrialBench
from edgemnv2.tuner.whole import Versus, built, outgrown, threads_of, versus

__all__ = ["Progress", "TuneOptions", "TuneResult", "tune", "tune_graph"]

NOISE = 0.02
"""By how much a time must beat the default's before it replaces it. A count is exact."""
CUT = 0.01
"""By how much another cut must be cheaper: a count does not see what it does to the caches."""
MOST = 2 / 3
"""Share of pairs in which winners must be faster than the defaults; by chance, 1 in 11 are."""
SCREEN = 7
"""Pairs of whole programs before a cut is believed to be promising."""


@dataclass(frozen=True)
class TuneOptions:
    """`trials` at most for each task, the default included; `seed` of the candidates' order.

    `strategy` out of `search.STRATEGIES`; None: the one that suits the metric. `flash_budget`: what
    the constants may take on a microcontroller; None: of each layer no more than by default.
    """

    trials: int = 64
    seed: int = 0
    strategy: str | None = None
    flash_budget: int | None = None

    def check(self) -> None:
        """Raise UsageError for what no session can be made with."""
        if self.trials < 1:
            raise UsageError(f"trials={self.trials}: expected at least 1")
        if self.seed < 0:
            raise UsageError(f"seed={self.seed}: expected 0 or more")
        if self.strategy is not None:
            check_strategy(self.strategy)


@dataclass(frozen=True)
class Progress:
    """Where tuning is: rounds done and in all, the task, best total so far, rejected."""

    round: int
    rounds: int
    task: str
    best: float
    metric: str
    rejected: int


@dataclass(frozen=True)
class TuneResult:
    """What tuning found. `best_before`, `best_after`: one inference, defaults and winners.

    `trials` counts measured candidates, `records` the log's; `curve` has (trials, best total).
    `rejections` names task, decisions and reason of each candidate that was not recorded,
    `lost_boards` the boards that went away, and how; others did their work.
    """

    tasks: int
    trials: int
    records: int
    rejected: int
    best_before: float
    best_after: float
    metric: str
    log: str
    target: str
    runner: str
    seed: int
    interrupted: bool
    curve: tuple[tuple[int, float], ...]
    rejections: tuple[Mapping[str, Any], ...] = ()
    winners: tuple[Mapping[str, Any], ...] = ()
    lost_boards: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**vars(self), "curve": [list(point) for point in self.curve]}


@dataclass
class _State:
    """What a session has found so far."""

    log: TuneLog
    metric: str = ""
    trials: int = 0
    best: dict[str, tuple[float, Mapping[str, Any]]] = field(default_factory=dict)
    default: dict[str, float] = field(default_factory=dict)
    others: float = 0.0
    rejections: list[Mapping[str, Any]] = field(default_factory=list)
    curve: list[tuple[int, float]] = field(default_factory=list)

    def total(self) -> float:
        """The network's cost with the best candidates so far."""
        return self.others + sum(cost for cost, _ in self.best.values())


def tune(
    source: str | Path,
    target_name: str | Path,
    runners: Sequence[Runner],
    folder: Path,
    options: TuneOptions | None = None,
    progress: Callable[[Progress], None] = lambda state: None,
) -> TuneResult:
    """Tune a model file or built-in name for a target; see `tune_graph`."""
    target = load_target(target_name)
    graph = lower(load_model(source))
    return tune_graph(graph, target, runners, folder, options, progress)


def tune_graph(
    graph: Graph,
    target: Target,
    runners: Sequence[Runner],
    folder: Path,
    options: TuneOptions | None = None,
    progress: Callable[[Progress], None] = lambda state: None,
) -> TuneResult:
    """Search for better decisions and keep every right candidate in the log `folder`.

    Several `runners` (boards) measure at the same time. What the log already has is not measured
    again, so a second call resumes the first. On
    KeyboardInterrupt everything measured is kept and the result says `interrupted`. Raises
    UsageError for no trials, TuneLogError when the log is of another target, metric or version,
    RunnerError when the runner fails with the default program.
    """
    options = options or TuneOptions()
    options.check()
    check_options(CompileOptions(flash_budget=options.flash_budget), target)
    log = TuneLog.load(folder) if (folder / PROVENANCE).exists() else None
    if log is not None:
        log.check_target(target)
    if target.is_bare_metal:
        graph = split_phases(graph)
    bench = TrialBench(graph, target, runners, options.seed, options.flash_budget)
    tasks = find_tasks(graph, target, bench.base)
    try:
        first = bench.start(tasks)
        if log is None:
            log = TuneLog.create(folder, target, first.metric)
        if log.metric != first.metric:
            raise TuneLogError(
                f"{folder}: holds {log.metric}, but runner {bench.runner_name} measures "
                f"{first.metric} (give another log_dir=)"
            )
        guesses = _forget_stale(log, bench, tasks, first)
        log.add_session(_session(graph, bench.runner_name, log.metric, options))
        return _Session(bench, tasks, log, options, progress, guesses).run(first)
    finally:
        bench.close()


def _forget_stale(
    log: TuneLog, bench: TrialBench, tasks: Sequence[Task], today: Trial
) -> dict[str, Mapping[str, Any]]:
    """Drop the records of tasks whose kernels are no longer those that were measured.

    Those are the ones whose records make another code today, and those whose default costs
    something else. What was best of them by the task's name: of
    other code, it is a good guess still.
    """
    stale = [task for task, _ in stale_tasks(log, bench.graph, bench.target, bench.base)]
    for task in tasks:
        known = log.find(task.key, task.default)
        if known is not None and not costs_agree(
            log.metric, known.costs[0] * len(task.layers), today.costs[task.name]
        ):
            stale.append(task)
    guesses: dict[str, Mapping[str, Any]] = {}
    for task in stale:
        best = next((r for r in log.best_first(task.key) if applies(task, r)), None)
        if best is not None:
            guesses[task.name] = best.decisions
    for task in stale:
        log.drop(task.key)
    return guesses


class _Session:
    """One call of `tune_graph`."""

    def __init__(
        self,
        bench: TrialBench,
        tasks: Sequence[Task],
        log: TuneLog,
        options: TuneOptions,
        progress: Callable[[Progress], None],
        guesses: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.bench, self.tasks, self.log = bench, list(tasks), log
        self.guesses = dict(guesses)
        """What each task tries first, by its name."""
        self.options, self.progress = options, progress
        self.state = _State(log)
        self.rounds = 0
        self.search = make_search(options.strategy or default_strategy(log.metric), options.seed)

    def run(self, first: Trial) -> TuneResult:
        state, log = self.state, self.log
        state.metric, before = first.metric, first.total or 0.0
        for task in self.tasks:
            self._record(task, task.default, first)
            state.default[task.name] = first.costs[task.name]
        state.others = before - sum(first.costs.values())
        interrupted = False
        after = before
        try:
            self._search(self.tasks)
            after = self._confirm(before)
            after *= self._search_network()
            if state.metric != "seconds":
                after = float(round(after))
        except KeyboardInterrupt:
            interrupted = True
            after = min(before, state.total())
        except RunnerError as error:
            # The place where it ran is to blame: all that was measured there is right.
            self._stamp()
            log.save()
            raise type(error)(
                f"{error}; what was measured is kept, {len(log.records)} records in {log.folder}: "
                "tune again to go on"
            ) from error
        self._stamp()
        log.save()
        return TuneResult(
            tasks=len(self.tasks),
            trials=state.trials,
            records=len(log.records),
            rejected=len(state.rejections),
            best_before=before,
            best_after=after,
            metric=state.metric,
            log=str(log.folder),
            target=self.bench.target.name,
            runner=self.bench.runner_name,
            seed=self.options.seed,
            interrupted=interrupted,
            curve=tuple(state.curve),
            rejections=tuple(state.rejections),
            winners=tuple(self._winners()),
            lost_boards=self.bench.lost_boards,
        )

    def _stamp(self) -> None:
        """Note the code behind the best record of each task."""
        bench = self.bench
        chosen = [
            (task, record)
            for task in self.tasks
            for record in self.log.best_first(task.key)[:1]
            if task.layers and applies(task, record)
        ]
        codes = codes_of(bench.graph, bench.target, bench.base, chosen)
        self.log.stamp(bench.graph.name, codes)

    def _search(self, tasks: Sequence[Task]) -> None:
        """Rounds of one candidate a task, as many at once as there are boards."""
        search = self.search
        left = {}
        for task in tasks:
            for record in self.log.best_first(task.key):
                if applies(task, record):
                    self._consider(task, record.decisions, record.cost * len(task.layers))
            search.tell(task, task.default, self.state.default[task.name])
            # What was best before its code changed is tried though one trial is all there is.
            left[task.name] = max(
                min(self.options.trials, task.size) - 1, task.name in self.guesses
            )
        self.rounds = max(left.values(), default=0)
        done = 0
        busy = [task for task in tasks if left[task.name]]
        while busy:
            waiting: list[tuple[Task, list[dict[str, Any]]]] = []
            for task in busy:
                guess = self.guesses.pop(task.name, None)
                proposed = [dict(guess)] if guess else search.propose(task)
                proposed = proposed[: left[task.name]]
                left[task.name] = left[task.name] - len(proposed) if proposed else 0
                fresh = []
                for decisions in proposed:
                    known = self.log.find(task.key, decisions)
                    if known is None and decisions not in fresh:
                        fresh.append(decisions)
                    elif known is not None:
                        search.tell(task, decisions, known.costs[0] * len(task.layers))
                waiting.append((task, fresh))
            busy = [task for task in busy if left[task.name]]
            for job, trial in self._run_jobs(_rounds(waiting)):
                for candidate in job:
                    self._record(candidate.task, candidate.decisions, trial)
                    cost = trial.costs.get(candidate.task.name)
                    search.tell(candidate.task, candidate.decisions, cost)
                done += 1
                self._report(min(done, self.rounds), job[0].task.label)

    def _run_jobs(self, jobs: Sequence[list[Candidate]]) -> Iterator[tuple[list[Candidate], Trial]]:
        """Each job with its trial, in order, whichever board was faster."""
        boards = self.bench.boards
        if boards == 1:
            for job in jobs:
                yield job, self.bench.measure(job)
            return
        with _pool(boards) as pool:
            waiting: list[tuple[list[Candidate], Future[Trial]]] = []
            for job in jobs:
                # One more than there are boards is being built while they measure.
                if len(waiting) > boards:
                    oldest, future = waiting.pop(0)
                    yield oldest, future.result()
                waiting.append((job, pool.submit(self.bench.measure, job)))
            for job, future in waiting:
                yield job, future.result()

    def _search_network(self) -> float:
        """The decisions about the whole network, on top of the winners of its layers.

        Returns new / old cost of one inference. What was measured with other winners does not
        compare, so that each session measures these anew.
        """
        gain = 1.0
        found = self._best_candidates()
        for task in network_tasks(
            self.bench.graph, self.bench.target, self.bench.base, self.state.metric
        ):
            default = Candidate(task, task.default)
            total = self.state.total()
            self.log.drop(task.key)
            self._keep(Record(task.key, dict(task.default), (total,), task.space))
            best, ratio = default, 1.0
            self.tasks.append(task)
            self.state.default[task.name] = 0.0
            # Its cost is that of the layers.
            self.state.best[task.name] = (0.0, task.default)
            with built(self.bench, [*found, default], task) as reference:
                wanted = Neighbours(self.options.seed).propose(task)[: self.options.trials - 1]
                jobs = [Candidate(task, decisions) for decisions in wanted]
                for candidate, measured in self._run_whole(found, jobs, reference):
                    self.state.trials += 1
                    self._report(self.rounds, task.label)
                    if measured.reason:
                        self._reject(task, candidate.decisions, measured.reason)
                        continue
                    cost = total * measured.ratio
                    self._keep(Record(task.key, dict(candidate.decisions), (cost,), task.space))
                    if measured.ratio < min(ratio, 1 - CUT):
                        best, ratio = candidate, measured.ratio
                if best is not default and self.state.metric == "seconds":
                    # The luckiest of many figures is measured once more before it is believed.
                    measured = self._measure_whole([*found, best], task, reference, FINAL_PAIRS)
                    holds = not measured.reason and _holds(measured.ratio, measured.share)
                    again = measured.ratio if holds else max(measured.ratio, 1 + NOISE)
                    self._append_twice(best, total * again)
                    self._append_twice(default, total)
                    best, ratio = (best, measured.ratio) if holds else (default, 1.0)
                else:
                    self._append_twice(best, total * ratio)
            self.state.best[task.name] = (0.0, best.decisions)
            if task.op == "network":
                gain = ratio
        return gain

    def _run_whole(
        self, found: Sequence[Candidate], jobs: Sequence[Candidate], reference: Artifact
    ) -> Iterator[tuple[Candidate, Versus]]:
        """Each job on top of `found` against `reference`, in order, as many at once as boards."""
        with _pool(self.bench.boards) as pool:
            waiting = [
                pool.submit(self._measure_whole, [*found, job], job.task, reference, SCREEN)
                for job in jobs
            ]
            for job, future in zip(jobs, waiting, strict=True):
                yield job, future.result()

    def _measure_whole(
        self, candidates: Sequence[Candidate], task: Task, reference: Artifact, pairs: int
    ) -> Versus:
        """The program with `candidates` against `reference`; what fails has a reason.

        Raises what the runner does wrong with the default program too.
        """
        failure = self._try_whole(candidates, task, reference, pairs)
        if isinstance(failure, BoardLost):
            failure = self._try_whole(candidates, task, reference, pairs)
        if isinstance(failure, Versus):
            return failure
        self.bench.blame_runner(failure)
        return Versus(reason=str(failure))

    def _try_whole(
        self, candidates: Sequence[Candidate], task: Task, reference: Artifact, pairs: int
    ) -> Versus | EdgeError:
        """The comparison, or what hindered it."""
        try:
            if self.state.metric != "seconds":
                most_bytes = reference.manifest.arena_bytes
                if reason := outgrown(self.bench, candidates, most_bytes):
                    return Versus(reason=reason)
            with built(self.bench, candidates, task) as program:
                return versus(self.bench, program, reference, pairs, threads_of(task))
        except EdgeError as error:
            return error

    def _append_twice(self, candidate: Candidate, cost: float) -> None:
        known = self.log.find(candidate.task.key, candidate.decisions)
        if known is not None:
            self._keep(replace(known, costs=(known.costs[0], cost)))

    def _keep(self, record: Record) -> None:
        """Into the log; but a layer that is over between two ticks of a clock has no cost."""
        if all(cost > 0 for cost in record.costs):
            self.log.append(record)

    def _margin(self) -> float:
        return NOISE if self.state.metric == "seconds" else 0.0

    def _confirm(self, before: float) -> float:
        """Measure the winners together; where a figure did not hold, the default returns."""
        winners = self._best_candidates()
        if all(dict(c.decisions) == dict(c.task.default) for c in winners):
            final = Trial(self.state.metric, self.state.default, total=before)
            self._keep_confirmed(winners, final, True)
            return before
        final = self.bench.measure(winners, final=True)
        if final.rejected or final.total is None:
            # Right alone, wrong together: nothing of it may stay.
            for candidate in winners:
                if candidate.task.name in final.rejected:
                    reason = final.rejected[candidate.task.name]
                    self._reject(candidate.task, candidate.decisions, reason)
                self.state.best[candidate.task.name] = (
                    self.state.default[candidate.task.name],
                    candidate.task.default,
                )
            return before
        better = final.total <= before
        if self.state.metric == "seconds":
            # Steps timed one by one may all be faster and the network not: see it run as it will.
            default = self.bench.default_artifact
            assert default is not None
            whole = self._measure_whole(winners, winners[0].task, default, FINAL_PAIRS)
            better = not whole.reason and _holds(whole.ratio, whole.share)
            self._keep_confirmed(winners, final, better)
            return before * whole.ratio if better else before
        self._keep_confirmed(winners, final, better)
        return min(before, final.total)

    def _keep_confirmed(self, winners: Sequence[Candidate], final: Trial, better: bool) -> None:
        """Second costs of winners and defaults, so that the log's best is what was confirmed."""
        for candidate in winners:
            task = candidate.task
            count = len(task.layers)
            default = self.state.default[task.name] / count
            cost = final.costs[task.name] / count
            first = self.log.find(task.key, task.default)
            holds = better and cost <= default
            if first is not None:
                self._keep(replace(first, costs=(first.costs[0], default)))
            if dict(candidate.decisions) != dict(task.default):
                known = self.log.find(task.key, candidate.decisions)
                if known is not None:
                    # A winner that did not hold must not come before the default.
                    again = cost if holds else max(cost, default * (1 + NOISE))
                    self._keep(replace(known, costs=(known.costs[0], again)))
                if not holds:
                    self.state.best[task.name] = (self.state.default[task.name], task.default)

    def _record(self, task: Task, decisions: Mapping[str, Any], trial: Trial) -> None:
        """Keep a right candidate, count a wrong one."""
        self.state.trials += 1
        if task.name in trial.rejected:
            self._reject(task, decisions, trial.rejected[task.name])
            return
        cost = trial.costs[task.name]
        if self.log.find(task.key, decisions) is None:
            each = cost / len(task.layers)
            self._keep(Record(task.key, dict(decisions), (each,), task.space))
        self._consider(task, decisions, cost)

    def _consider(self, task: Task, decisions: Mapping[str, Any], cost: float) -> None:
        best = self.state.best.get(task.name)
        default = self.state.default.get(task.name, cost)
        if best is None or (cost < best[0] and cost < default * (1 - self._margin())):
            self.state.best[task.name] = (cost, dict(decisions))

    def _reject(self, task: Task, decisions: Mapping[str, Any], reason: str) -> None:
        entry = {"task": task.label, "decisions": dict(decisions), "reason": reason}
        self.state.rejections.append(entry)

    def _report(self, done: int, label: str) -> None:
        state = self.state
        state.curve.append((state.trials, state.total()))
        self.progress(
            Progress(done, self.rounds, label, state.total(), state.metric, len(state.rejections))
        )

    def _best_candidates(self) -> list[Candidate]:
        return [Candidate(task, self.state.best[task.name][1]) for task in self.tasks]

    def _winners(self) -> Iterator[Mapping[str, Any]]:
        for task in self.tasks:
            cost, decisions = self.state.best[task.name]
            yield {
                "task": task.label,
                "space": task.size,
                "default": self.state.default[task.name],
                "best": cost,
                "decisions": dict(decisions),
                "is_default": dict(decisions) == dict(task.default),
            }


def _holds(ratio: float, share: float) -> bool:
    """Whether paired times speak for the new program: their median and most of the pairs."""
    return ratio < 1 and share >= MOST


def _rounds(waiting: Sequence[tuple[Task, list[dict[str, Any]]]]) -> list[list[Candidate]]:
    """The i-th candidate of every task that has one, for each i."""
    count = max((len(fresh) for _, fresh in waiting), default=0)
    return [
        [Candidate(task, fresh[i]) for task, fresh in waiting if i < len(fresh)]
        for i in range(count)
    ]


@contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool whose waiting jobs are dropped when the block ends early."""
    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _session(graph: Graph, runner: str, metric: str, options: TuneOptions) -> dict[str, Any]:
    facts = provenance()
    return {
        "date": facts["date"],
        "machine": facts["machine"],
        "model": {"name": graph.name, "sha256": graph.sha256},
        "runner": runner,
        "seed": options.seed,
        "strategy": options.strategy or default_strategy(metric),
        "trials": options.trials,
        "versions": facts["versions"],
    }
