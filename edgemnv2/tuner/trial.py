"""One trial: the whole network with one candidate in every task, measured layer by layer.

One program serves all tasks at once, which makes an emulator's start and a link bearable, and every
candidate runs where it will run: with its real neighbours, row layouts and memory. Every row that
the program makes is recorded, and each layer is held against the reference *given the inputs that
it had*, so a wrong candidate is found by name and cannot spoil its neighbours' verdicts.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.artifact import Artifact
from edgemnv2.check.compare import compare
from edgemnv2.check.decisions import decided_by_floats
from edgemnv2.check.divergence import traced_tensors
from edgemnv2.codegen.constants import pack_constants
from edgemnv2.errors import RunnerError
from edgemnv2.memory.variants import default_chains
from edgemnv2.ops import execute
from edgemnv2.ops.execute import by_source, run_layer
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.pipeline import CompileOptions, compile_graph, plan_network
from edgemnv2.records.task import Task
from edgemnv2.runners.base import BoardLost, Runner, RunResult, TrackerLost, on_one_board
from edgemnv2.samples.inputs import random_set
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import Target

__all__ = ["Candidate", "Trial", "TrialBench", "constant_bytes", "wrong_layers"]

Array = NDArray[Any]
PAIRS = 7
"""Timed runs of a candidate program, each beside one of the default program."""
FINAL_PAIRS = 21
TICK = 1e-9
"""Seconds; the least time that a step can be said to take."""


@dataclass(frozen=True)
class Candidate:
    """Decisions for one task."""

    task: Task
    decisions: Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What came out for a set of candidates, by task key and layers.

    `costs` in the metric, summed over the task's layers; `rejected` with the reason; `total` of
    the network, None where the program that was measured did not have all candidates in it.
    """

    metric: str
    costs: Mapping[str, float]
    rejected: Mapping[str, str] = field(default_factory=dict)
    total: float | None = None


class TrialBench:
    """Builds, checks and measures programs of one network; each runner serves one at a time."""

    def __init__(
        self,
        graph: Graph,
        target: Target,
        runners: Sequence[Runner],
        seed: int = 0,
        flash_budget: int | None = None,
    ) -> None:
        self.graph, self.target = graph, target
        self.boards, self.runner_name = len(runners), runners[0].name
        self._runners = tuple(runners)
        self._free: queue.SimpleQueue[Runner] = queue.SimpleQueue()
        for runner in runners:
            self._free.put(runner)
        self.base = ScheduleOptions.default(target)
        self.flash_budget = flash_budget
        self.sample = random_set(graph, 1, seed).batch(0, 1)
        self.expected = execute.run(graph, self.sample)
        self._index = {layer.name: i for i, layer in enumerate(graph.layers)}
        # TVM's code generation is not meant for several threads at once.
        self._building = threading.Lock()
        self._default: tempfile.TemporaryDirectory[str] | None = None
        self.default_artifact: Artifact | None = None
        self._default_layers: Mapping[int, float] = {}

    def close(self) -> None:
        """Remove the default program."""
        if self._default is not None:
            self._default.cleanup()
            self._default = None

    def start(self, tasks: Sequence[Task]) -> Trial:
        """Build and measure the default program; raises what hinders it, or RunnerError."""
        self._default = tempfile.TemporaryDirectory(prefix="edgemnv2-tune-")
        defaults = [Candidate(task, task.default) for task in tasks]
        artifact = self.build(defaults, Path(self._default.name))
        self.default_artifact = artifact
        trial = self._measure(artifact, defaults, PAIRS)
        if trial.rejected:
            key, reason = next(iter(trial.rejected.items()))
            raise RunnerError(f"{self.target.name}: the default of {key} is wrong: {reason}")
        return trial

    def measure(self, candidates: Sequence[Candidate], *, final: bool = False) -> Trial:
        """Measure one candidate of each of several tasks; the tasks left out have their default.

        When the program cannot be built or run, halves of the candidates are measured alone until
        the guilty one is found: a failed candidate is a result, not an error. Raises RunnerError
        when nobody is guilty (the runner itself fails).
        """
        failure = self._try(candidates, final)
        if isinstance(failure, BoardLost) and len(candidates) == 1:
            # Boards come and go; only a candidate that they never survive is suspect.
            failure = self._try(candidates, final)
        if isinstance(failure, Trial):
            return failure
        if len(candidates) == 1:
            self.blame_runner(failure)
            reason = (str(failure).strip().splitlines() or [type(failure).__name__])[-1]
            return Trial("", {}, {candidates[0].task.name: reason})
        middle = len(candidates) // 2
        halves = [self.measure(candidates[:middle]), self.measure(candidates[middle:])]
        return Trial(
            metric=halves[0].metric or halves[1].metric,
            costs={**halves[0].costs, **halves[1].costs},
            rejected={**halves[0].rejected, **halves[1].rejected},
        )

    def _try(self, candidates: Sequence[Candidate], final: bool) -> Trial | Exception:
        """The trial of all candidates together, or what hindered it; raises TrackerLost."""
        with tempfile.TemporaryDirectory(prefix="edgemnv2-tune-") as name:
            try:
                artifact = self.build(candidates, Path(name))
                return self._measure(artifact, candidates, FINAL_PAIRS if final else PAIRS)
            except TrackerLost:
                raise
            except Exception as error:  # whatever a broken schedule raises, in TVM or on the device
                return error

    def blame_runner(self, failure: Exception) -> None:
        """Raise `failure` again if the runner cannot even run the default program.

        A tracker that does not answer is to blame without a trial.
        """
        if isinstance(failure, TrackerLost):
            raise failure
        if not isinstance(failure, RunnerError) or self.default_artifact is None:
            return
        with self.runner() as runner:
            try:
                runner.run(self.default_artifact, [])
            except RunnerError as error:
                raise error from failure

    @property
    def lost_boards(self) -> tuple[str, ...]:
        """Boards that went away, and how, whichever runner had them."""
        return tuple(sorted(text for runner in self._runners for text in runner.lost))

    @contextmanager
    def runner(self) -> Iterator[Runner]:
        """A runner that nobody else uses."""
        runner = self._free.get()
        try:
            yield runner
        finally:
            self._free.put(runner)

    def options(self, candidates: Sequence[Candidate], threads: int = 1) -> CompileOptions:
        """How a program with `candidates` is compiled, for one thread and for `threads`."""
        decisions: dict[str, Mapping[str, Any]] = {}
        network: dict[str, Any] = {}
        for candidate in candidates:
            decisions |= dict.fromkeys(candidate.task.layers, candidate.decisions)
            if not candidate.task.layers:
                network |= candidate.decisions
        rows = network.get("whole_rows_max", self.base.whole_rows_max)
        cut = default_chains(self.target)
        return CompileOptions(
            name="trial",
            chains=network.get("chains", cut),
            thread_chains=network.get("thread_chains", cut),
            threads=threads,
            schedule=replace(self.base, decisions=decisions, whole_rows_max=rows),
        )

    def build(self, candidates: Sequence[Candidate], folder: Path, threads: int = 1) -> Artifact:
        """The program with `candidates`."""
        options = self.options(candidates, threads)
        with self._building:
            return compile_graph(self.graph, self.target, folder / "artifact", options)

    def arena_bytes(self, candidates: Sequence[Candidate]) -> int:
        """The arena that a program with `candidates` needs, which takes no code to know."""
        with self._building:
            plan = plan_network(self.graph, self.target, self.options(candidates))
        return max(plan.whole.plan.arena_bytes, 1)

    def too_big(self, candidate: Candidate) -> str:
        """Why a microcontroller does not take the candidate: constants that outgrow the default's,
        or a budget that the user gave for those of the whole network.

        Flash is what a board has least of; a percent of speed is not worth weights of twice the
        size. "" where the candidate may stay, and always on Linux.
        """
        task = candidate.task
        if not self.target.is_bare_metal or not task.layers:
            return ""
        if dict(candidate.decisions) == dict(task.default):
            return ""
        own = constant_bytes(self.graph, self.target, self.base, candidate)
        default = constant_bytes(self.graph, self.target, self.base, Candidate(task, task.default))
        if own <= default:
            return ""
        if self.flash_budget is not None:
            total = self._constants_with(candidate)
            if total <= self.flash_budget:
                return ""
            return f"{total} bytes of constants with it, the budget is {self.flash_budget}"
        return f"takes {own - default} bytes more of flash than the default"

    def _constants_with(self, candidate: Candidate) -> int:
        """Bytes of all constants of the default program with `candidate`."""
        decisions = dict.fromkeys(candidate.task.layers, candidate.decisions)
        options = replace(self.base, decisions=decisions)
        schedule = schedule_graph(self.graph, self.target, options)
        return len(pack_constants(schedule.kernels).data)

    def _measure(self, artifact: Artifact, candidates: Sequence[Candidate], pairs: int) -> Trial:
        with self.runner() as runner:
            result = runner.run(artifact, [self.sample], trace=True, layers=True)
            if result.metric is None:
                raise RunnerError(f"{runner.name}: measures nothing (choose another runner=)")
            layers = on_one_board(
                runner, lambda: self._exact_or_paired(runner, artifact, result, pairs)
            )
        wrong = wrong_layers(self.graph, artifact, result, self.sample, self.expected)
        fallback = {k.name for k in artifact.manifest.kernels if k.schedule == "fallback"}
        costs: dict[str, float] = {}
        rejected: dict[str, str] = {}
        for candidate in candidates:
            task = candidate.task
            own = task.layers or tuple(self._index)
            reasons = [wrong[name] for name in own if name in wrong]
            if reasons:
                rejected[task.name] = reasons[0]
            elif too_big := self.too_big(candidate):
                rejected[task.name] = too_big
            elif fallback & set(task.layers):
                rejected[task.name] = "the schedule does not apply"
            else:
                costs[task.name] = sum(layers.get(self._index[name], 0.0) for name in own)
        return Trial(result.metric, costs, rejected, total=sum(layers.values()))

    def _exact_or_paired(
        self, runner: Runner, artifact: Artifact, result: RunResult, pairs: int
    ) -> Mapping[int, float]:
        """Figures by layer: a count as it is; a time relative to the default, run in turns.

        What else a machine does comes and goes, so each run stands beside one of the default
        program, and it is their ratio that counts: the median over `pairs` of them.
        """
        if result.metric != "seconds":
            return result.layers
        default = self.default_artifact
        assert default is not None

        def once(one: Artifact) -> Mapping[int, float]:
            return runner.run(one, [self.sample], layers=True).layers

        if artifact is default:
            runs = [once(default) for _ in range(pairs)]
            self._default_layers = {i: median(run[i] for run in runs) for i in runs[0]}
            return self._default_layers
        turns = [(once(artifact), once(default)) for _ in range(pairs)]
        return {
            i: seconds * median(mine[i] / max(theirs[i], TICK) for mine, theirs in turns)
            for i, seconds in self._default_layers.items()
        }


def constant_bytes(
    graph: Graph, target: Target, options: ScheduleOptions, candidate: Candidate
) -> int:
    """Bytes of weights and tables of the first layer of the candidate's task."""
    name = candidate.task.layers[0]
    with_it = replace(options, decisions={name: candidate.decisions})
    kernels = schedule_graph(graph, target, with_it, only={name}).kernels
    return sum(constant.nbytes for constant in kernels[name].constants)


def wrong_layers(
    graph: Graph,
    artifact: Artifact,
    result: RunResult,
    sample: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> dict[str, str]:
    """Layer name -> what is wrong with it, from the traced rows of a run of `sample`.

    A layer is held against the reference on the inputs that it really had. Rows that are packed for
    their reader cannot be looked at: their maker answers for what the reader makes of them.
    """
    traced = traced_tensors(graph, artifact, result)
    fuses = {k.name: k.fuses for k in artifact.manifest.kernels}
    covered = {name for names in fuses.values() for name in names}
    by_name = {layer.name: layer for layer in graph.layers}
    ends = zip(graph.inputs, graph.input_specs, strict=True)
    actual: dict[str, Array] = {name: sample[spec.name] for name, spec in ends}
    clean, decided = set(graph.inputs), decided_by_floats(graph)
    makers: dict[str, set[str]] = {}
    wrong: dict[str, str] = {}
    for layer in graph.layers:
        if layer.name in covered:
            continue
        chain = [*(by_name[name] for name in fuses.get(layer.name, ())), layer]
        sources = chain[0].inputs
        # Floats within their tolerance may decide otherwise than the reference's.
        is_clean = clean.issuperset(sources) and layer.output not in decided
        wanted = expected[layer.output] if is_clean else _run(graph, chain, actual)
        suspects = {layer.name}.union(*(makers.get(name, set()) for name in sources))
        if layer.output not in traced:
            actual[layer.output] = wanted
            makers[layer.output] = suspects
            if is_clean:
                clean.add(layer.output)
            continue
        got = traced[layer.output]
        comparison = compare(wanted, got)
        actual[layer.output] = got
        if comparison.passed:
            if is_clean:
                clean.add(layer.output)
        else:
            reason = (
                f"{layer.name}: {comparison.different} of {comparison.elements} values are wrong"
            )
            wrong |= dict.fromkeys(suspects, reason)
    own = {name: actual[name] for name in decided.intersection(graph.outputs)}
    wanted_outputs = by_source(graph, {**expected, **own})
    passed = all(
        compare(wanted, result.results[0][name]).passed for name, wanted in wanted_outputs.items()
    )
    if not wrong and not passed:
        raise RunnerError(
            f"{artifact.path}: the output is wrong although every layer is right (a bug of ours)"
        )
    return wrong


def _run(graph: Graph, chain: Sequence[Layer], actual: Mapping[str, Array]) -> Array:
    values = dict(actual)
    for layer in chain:
        values[layer.output] = run_layer(graph, layer, [values[name] for name in layer.inputs])
    return np.asarray(values[chain[-1].output])
