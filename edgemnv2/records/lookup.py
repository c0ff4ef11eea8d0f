"""What a tuning log says about a network: the best decisions of each layer that still apply."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgemnv2.errors import TuneLogError
from edgemnv2.ops.graph import Graph
from edgemnv2.records.files import PROVENANCE, RECORDS
from edgemnv2.records.log import TuneLog, core_of
from edgemnv2.records.record import Record
from edgemnv2.records.task import Task, find_tasks, network_tasks
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import Target

__all__ = ["Tuned", "applies", "best_decisions", "log_folder", "shipped_logs", "tuned_or_default"]


@dataclass(frozen=True)
class Tuned:
    """Decisions and record ids by layer name, decisions about the network, what did not apply.

    `network_records` has the ids of the latter by task, "network" or "threads".
    """

    decisions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    records: Mapping[str, str] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    network_records: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    log_sha256: str = ""
    """Of the records that decisions came from; "" where there were none."""


def shipped_logs() -> Path:
    """`tune_logs/` of a checkout, or its copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_data" / "tune_logs"
    return installed if installed.is_dir() else package.parent / "tune_logs"


def log_folder(root: Path, target: Target) -> Path:
    """The log for `target` in `root`: the folder itself, the one with the target's name, or the
    first one for the same core; where there is none, that with its name.
    """
    if (root / PROVENANCE).exists():
        return root
    own = root / target.name
    if (own / PROVENANCE).exists():
        return own
    for path in sorted(root.glob(f"*/{PROVENANCE}")):
        try:
            if TuneLog.load_header(path.parent).core == core_of(target):
                return path.parent
        except TuneLogError:
            continue  # somebody else's, and not asked for
    return own


def best_decisions(
    graph: Graph,
    target: Target,
    folder: Path,
    options: ScheduleOptions | None = None,
) -> Tuned:
    """The best record of every task of `graph` in the log `folder`.

    `options` (else the target's default) say which kernels there are. A record whose decisions are
    outside today's space is noted, and the next best or the default stands. Raises TuneLogError for
    a log for another core or of another version.
    """
    log = TuneLog.load(folder)
    log.check_target(target)
    options = options or ScheduleOptions.default(target)
    decisions: dict[str, Mapping[str, Any]] = {}
    records: dict[str, str] = {}
    notes: list[str] = []
    for task in find_tasks(graph, target, options):
        found = log.best_first(task.key)
        record = next((r for r in found if applies(task, r)), None)
        if record is None and found:
            notes.append(_stale(folder, task, found[0]))
        if record is not None:
            decisions |= dict.fromkeys(task.layers, record.decisions)
            records |= dict.fromkeys(task.layers, record.id)
    network: dict[str, Any] = {}
    network_records: dict[str, str] = {}
    for task in network_tasks(graph, target, options, log.metric):
        found = log.best_first(task.key)
        record = next((r for r in found if applies(task, r)), None)
        if record is None and found:
            notes.append(_stale(folder, task, found[0]))
        if record is not None:
            network |= record.decisions
            network_records[task.op] = record.id
    used = bool(records or network_records)
    digest = hashlib.sha256((folder / RECORDS).read_bytes()).hexdigest() if used else ""
    return Tuned(decisions, records, network, network_records, tuple(notes), digest)


def tuned_or_default(
    graph: Graph, target: Target, root: Path | None, options: ScheduleOptions
) -> Tuned:
    """`best_decisions` of the log in `root`, or of the one that ships with the package.

    A log that the caller named must be usable; the shipped one is passed over with a note.
    """
    if root is not None:
        return best_decisions(graph, target, log_folder(root, target), options)
    folder = log_folder(shipped_logs(), target)
    if not folder.is_dir():
        return Tuned()
    try:
        return best_decisions(graph, target, folder, options)
    except TuneLogError as error:
        # No path of this machine may reach a manifest.
        reason = str(error).replace(str(folder), f"tune_logs/{folder.name}")
        return Tuned(notes=(f"{reason}; defaults are used",))


def applies(task: Task, record: Record) -> bool:
    """Whether every decision of `record` is in the task's space, and none is missing."""
    return set(record.decisions) == set(task.space) and all(
        value in task.space[name] for name, value in record.decisions.items()
    )


def _stale(folder: Path, task: Task, record: Record) -> str:
    return (
        f"tune_logs/{folder.name}: record {record.id} ({task.label}) no longer applies, "
        f"{dict(record.decisions)} is not in the space; the default is used"
    )
