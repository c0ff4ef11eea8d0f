"""Whether a log's figures are still those of today's kernels.

Each session in a log notes a fingerprint of the sources that its kernels came from. Sources change
more often than the code that they make, so that another fingerprint is a reason to look and no
verdict: a count is exact, hence one run of the network with the log's records says, for all of its
tasks at once, whether they cost what the log says. Times cannot be compared across days like that.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.runners.base import Runner
from edgemnv2.schedules import family_of
from edgemnv2.target import Target
from edgemnv2.tune.log import TuneLog
from edgemnv2.tune.lookup import applies
from edgemnv2.tune.task import find_tasks
from edgemnv2.tune.trial import Candidate, TrialBench

__all__ = ["code_fingerprint", "outdated", "remeasure"]

_PACKAGES = ("edgemnv2.schedules", "edgemnv2.kernels")


def code_fingerprint(target: Target) -> str:
    """sha256 (16 digits) of the sources that kernels for `target` are made of; "" without any.

    That is the schedule family, and of schedules/ and kernels/ whatever it imports.
    """
    family = family_of(target)
    return "" if family is None else _fingerprint(family.__name__)


def outdated(log: TuneLog, target: Target) -> list[Mapping[str, Any]]:
    """The sessions of `log` whose kernels came from other sources than today's."""
    today = code_fingerprint(target)
    return [session for session in log.header["sessions"] if session.get("code") != today]


def remeasure(log: TuneLog, target: Target, model: str, runner: Runner) -> list[str]:
    """What today's count of `model` (built-in name or file), with the log's records, disagrees on.

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
        if cost != record.cost:
            found.append(f"{task.label}: {cost:.0f} {log.metric}, {record.cost:.0f} in the log")
    return found


@cache
def _fingerprint(package: str) -> str:
    digest = hashlib.sha256()
    for path in sorted(set(_sources(package, set())), key=str):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _sources(module: str, seen: set[str]) -> Iterator[Path]:
    """Files of `module` (all of them, if it is a family) and of what they import from us."""
    if module in seen or not module.startswith(_PACKAGES):
        return
    seen.add(module)
    base = Path(__file__).resolve().parent.parent.joinpath(*module.split(".")[1:])
    origin = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not origin.is_file():
        return
    # The packages' own __init__ chooses among families and would bring them all in.
    if module in _PACKAGES:
        yield origin
        return
    files = sorted(origin.parent.glob("*.py")) if origin.name == "__init__.py" else [origin]
    for file in files:
        yield file
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                yield from _sources(node.module, seen)
                for name in node.names:
                    # from package import module
                    yield from _sources(f"{node.module}.{name.name}", seen)
