"""Whether a log's figures are still those of today's kernels.

A log notes, for the best record of each task, a digest of the code that its decisions made of the
network that was tuned. The same decisions make the same code until a schedule changes, whatever
happens to the package's version, to comments or to other schedules; a record is stale where they
make another code today. Another code is a reason to look and no verdict: a count is exact, and
estimated cycles nearly so, hence one run of the network with the log's records says whether they
cost what the log says. Times cannot be compared across days like that.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from edgemnv2.benchmark.cycle_runner import CycleRunner
from edgemnv2.codegen.emit import runtime_file
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.ops.kernel import RowKernel
from edgemnv2.passes import lower
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import applies
from edgemnv2.records.record import Record
from edgemnv2.records.task import Task, find_tasks
from edgemnv2.runners import make_runner
from edgemnv2.runners.base import Runner
from edgemnv2.schedules import ScheduleOptions, schedule_graph
from edgemnv2.target import Target
from edgemnv2.tuner.trial import Candidate, TrialBench

__all__ = [
    "code_digest",
    "codes_of",
    "costs_agree",
    "outdated",
    "remeasure",
    "runner_of",
    "stale_tasks",
]

DIGITS = 12
ESTIMATE_SHARE = 0.01
"""By how much a layer's estimated cycles may differ between two runs of the same code: the caches
that they count see other addresses when other layers change (0.2 % at most over the layers of
1.0/224 on the Cortex-A72 after all int8 kernels had changed)."""
_COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\])*")', re.DOTALL)
_INCLUDE = re.compile(r'^#include "(.+)"', re.MULTILINE)


def code_digest(kernel: RowKernel) -> str:
    """sha256 (12 digits) of what `kernel` is made of, but for the values of its constants.

    That is its TIR, with the code of the runtime headers whose micro-kernels it calls; of constants
    the types and shapes, in their order; and its scratch.
    """
    facts: list[Any] = [kernel.rows_per_step, kernel.scratch_bytes]
    facts += [(str(c.dtype), c.shape) for c in kernel.constants]
    if kernel.code is not None:
        functions = [kernel.code.function, *kernel.code.calls.values()]
        facts += [function.script() for function in functions]
    facts += [_header_code(name) for name in kernel.c_requires]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:DIGITS]


def codes_of(
    graph: Graph, target: Target, options: ScheduleOptions, chosen: Sequence[tuple[Task, Record]]
) -> dict[str, str]:
    """Record id -> digest of the code that each record's decisions make of its task."""
    decisions = {name: record.decisions for task, record in chosen for name in task.layers}
    merged = ScheduleOptions(options.whole_rows_max, options.fuse, decisions)
    kernels = schedule_graph(graph, target, merged).kernels
    return {record.id: code_digest(kernels[task.name]) for task, record in chosen if task.layers}


def stale_tasks(
    log: TuneLog, graph: Graph, target: Target, options: ScheduleOptions
) -> list[tuple[Task, str]]:
    """Tasks of `graph` whose record in `log` no longer stands for today's code, and why."""
    known: Mapping[str, str] = log.codes.get(graph.name, {})
    stale: list[tuple[Task, str]] = []
    chosen: list[tuple[Task, Record]] = []
    for task in find_tasks(graph, target, options):
        records = [record for record in log.best_first(task.key) if record.id in known]
        if not records:
            continue
        if applies(task, records[0]):
            chosen.append((task, records[0]))
        else:
            stale.append((task, f"{dict(records[0].decisions)} is not in the space"))
    today = codes_of(graph, target, options, chosen)
    stale += [
        (task, "its code has changed")
        for task, record in chosen
        if today[record.id] != known[record.id]
    ]
    return stale


def costs_agree(metric: str, known: float, today: float) -> bool:
    """Whether the same code may cost `known` and `today` in a log's `metric`.

    A count is exact, estimated cycles are within `ESTIMATE_SHARE`, and seconds say nothing.
    """
    if metric == "seconds":
        return True
    share = ESTIMATE_SHARE if metric == "cycles" else 0.0
    return abs(today - known) <= share * known


def outdated(log: TuneLog, target: Target, model: str) -> list[str]:
    """One line for each record of `model` (built-in name or file) whose code is another today."""
    graph = lower(load_model(model))
    found = stale_tasks(log, graph, target, ScheduleOptions.default(target))
    return [f"{task.label}: {why}" for task, why in found]


def runner_of(metric: str, target: Target) -> Runner:
    """What measures a log's `metric` for `target`: the target's own runner, or estimated cycles."""
    return CycleRunner(target) if metric == "cycles" else make_runner(target.runner)


def remeasure(
    log: TuneLog, target: Target, model: str, runner: Runner
) -> tuple[list[str], dict[str, str]]:
    """What today's count of `model`, with the log's records, disagrees on; and today's codes.

    One line for each task whose best record has another cost than the log says, or does not apply
    or compute rightly any more. Raises what building and running the network raises.
    """
    graph = lower(load_model(model))
    bench = TrialBench(graph, target, [runner])
    found: list[str] = []
    chosen = []
    for task in find_tasks(graph, target, bench.base):
        records = log.best_first(task.key)
        if not records:
            continue
        if applies(task, records[0]):
            chosen.append((Candidate(task, records[0].decisions), records[0]))
        else:
            found.append(f"{task.label}: {dict(records[0].decisions)} is not in the space")
    trial = bench.measure([candidate for candidate, _ in chosen])
    for candidate, record in chosen:
        task = candidate.task
        if task.name in trial.rejected:
            found.append(f"{task.label}: {trial.rejected[task.name]}")
            continue
        cost = trial.costs[task.name] / len(task.layers)
        if not costs_agree(log.metric, record.cost, cost):
            found.append(f"{task.label}: {cost:.0f} {log.metric}, {record.cost:.0f} in the log")
    pairs = [(candidate.task, record) for candidate, record in chosen]
    return found, codes_of(graph, target, bench.base, pairs)


def _code_only(text: str) -> str:
    """C without comments and without white space that means nothing."""
    return " ".join(_COMMENT.sub(lambda match: match[1] or " ", text).split())


@cache
def _header_code(name: str) -> str:
    """The code of a runtime header and of those that it includes."""
    text = runtime_file(f"kernels/{name}").read_text(encoding="utf-8")
    return "\n".join([_code_only(text), *(_header_code(n) for n in _INCLUDE.findall(text))])
