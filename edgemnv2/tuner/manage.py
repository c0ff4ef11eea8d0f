"""What `edgemnv2 logs` does with tuning logs: find, check, merge, prune, export."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemnv2.errors import EdgeError, ModelError, TargetError, TuneLogError, reason
from edgemnv2.records.files import PROVENANCE, RECORDS, WORKLOADS, write_database
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import log_folder, shipped_logs
from edgemnv2.target import Target, load_target
from edgemnv2.tuner.stale import outdated, remeasure, runner_of

__all__ = [
    "Checked",
    "check_log",
    "export_log",
    "log_folders",
    "log_summary",
    "merge_logs",
    "prune_log",
]


@dataclass(frozen=True)
class Checked:
    """One log and what is wrong with it; no `problems`: it can be used.

    `notes` say what may make it worth tuning again.
    """

    folder: str
    target: str
    metric: str
    tasks: int
    records: int
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


def log_folders(root: Path | None) -> tuple[Path, ...]:
    """The logs in `root` (else the shipped ones): the folder itself, or those in it, sorted.

    A name that is no folder here is a target's, whose shipped log is meant: its own, or that of
    its core. Raises TuneLogError where there is none.
    """
    if root is not None and not root.exists() and len(root.parts) == 1:
        return (_shipped_log(root.name),)
    root = root or shipped_logs()
    if (root / PROVENANCE).exists():
        return (root,)
    found = tuple(sorted(path.parent for path in root.glob(f"*/{PROVENANCE}")))
    if not found:
        raise TuneLogError(f"{root}: holds no tuning log (`edgemnv2 tune` makes one)")
    return found


def _shipped_log(name: str) -> Path:
    """The shipped log for the target of that name."""
    known = ", ".join(path.name for path in log_folders(shipped_logs()))
    try:
        folder = log_folder(shipped_logs(), load_target(name))
    except TargetError as error:
        raise TuneLogError(
            f"{name}: is neither a folder here nor a target (logs ship for {known})"
        ) from error
    if not (folder / PROVENANCE).exists():
        raise TuneLogError(f"{name}: no log ships for its core (they do for {known})")
    return folder


def check_log(folder: Path, measure: bool = False) -> Checked:
    """Whether the log loads, every trace replays, its target is known and unchanged, its order.

    Where kernels have changed since, that is a note; with `measure`, networks are counted anew, and
    it is a problem if a cost differs, else the log notes today's kernels.
    """
    try:
        log = TuneLog.load(folder)
    except TuneLogError as error:
        return Checked(str(folder), "", "", 0, 0, (str(error),))
    problems: list[str] = []
    notes: list[str] = []
    try:
        target = load_target(log.target_name)
        log.check_target(target)
        problems, notes = _check_kernels(log, target, measure)
    except EdgeError as error:
        problems.append(str(error))
    for record in log.records:
        for name, value in record.decisions.items():
            if value not in record.space.get(name, ()):
                problems.append(f"{folder}: record {record.id}: {name} = {value} is out of range")
    if not log.header["sessions"]:
        problems.append(f"{folder / PROVENANCE}: names no session that measured the records")
    for session in log.header["sessions"]:
        lacking = sorted({"date", "machine", "model", "runner", "seed", "trials"} - set(session))
        if lacking:
            problems.append(f"{folder / PROVENANCE}: a session lacks {', '.join(lacking)}")
    return Checked(
        str(folder),
        log.target_name,
        log.metric,
        len(log.task_keys()),
        len(log.records),
        tuple(problems),
        tuple(notes),
    )


def _check_kernels(log: TuneLog, target: Target, measure: bool) -> tuple[list[str], list[str]]:
    """Problems and notes about records whose code has changed since the log was made."""
    problems: list[str] = []
    notes: list[str] = []
    models = [session.get("model", {}) for session in log.header["sessions"]]
    for model in sorted({str(x["name"]) for x in models if "name" in x}):
        again = f"edgemnv2 tune {model} --target {target.name} --log-dir {log.folder}"
        try:
            changed = outdated(log, target, model)
        except ModelError:
            notes.append(
                f"{log.folder}: whether its kernels have changed cannot be told, the network "
                f"{model} is a file of its own ({again})"
            )
            continue
        if not changed:
            continue
        fact = f"{log.folder}: the code of {len(changed)} records of {model} has changed"
        if log.metric == "seconds":
            notes.append(f"{fact}, such as {changed[0]} (tune again: {again})")
        elif not measure:
            notes.append(
                f"{fact}, such as {changed[0]} (`edgemnv2 logs check {log.folder} --measure` tells "
                f"whether the costs still hold; if not: {again})"
            )
        else:
            differs, codes = remeasure(log, target, model, runner_of(log.metric, target))
            if not differs:
                log.stamp(model, codes)
                log.write_header()
                continue
            problems.append(
                f"{log.folder}: {len(differs)} records of {model} no longer hold, such as "
                f"{differs[0]} ({again}; for all that ship: python -m edgemnv2.lab.ship_logs)"
            )
    return problems, notes


def log_summary(folder: Path) -> dict[str, Any]:
    """The log's header and, for each task, its best record."""
    log = TuneLog.load(folder)
    tasks = []
    for key in log.task_keys():
        best = log.best_first(key)
        tasks.append(
            {
                "task": json.loads(key),
                "records": len(best),
                "best": best[0].id,
                "cost": best[0].cost,
                "decisions": dict(best[0].decisions),
            }
        )
    return {"folder": str(folder), **log.header, "tasks": tasks}


def merge_logs(sources: Sequence[Path], output: Path) -> TuneLog:
    """One log of all `sources`, in whatever order, written to `output`.

    Raises TuneLogError when they are of different targets, metrics or versions.
    """
    if not sources:
        raise TuneLogError("merge: needs at least one log")
    logs = sorted((TuneLog.load(path) for path in sources), key=lambda log: str(log.folder))
    merged = TuneLog(output, {**logs[0].header, "sessions": []}, ())
    for log in logs:
        try:
            merged.merge(log)
        except TuneLogError as error:
            # `output` does not exist yet: name the log that the header comes from.
            raise TuneLogError(str(error).replace(str(output), str(logs[0].folder))) from error
    merged.save(alone=True)
    return merged


def prune_log(folder: Path, keep: int) -> int:
    """Keep the best `keep` records of each task and sort the files; returns how many went."""
    if keep < 1:
        raise TuneLogError(f"prune: keep {keep} records a task (expected at least 1)")
    log = TuneLog.load(folder)
    gone = log.prune(keep)
    log.save()
    return gone


def export_log(folder: Path, output: Path) -> None:
    """A database for MetaSchedule's own tools, one workload a task, with the provenance beside it.

    Raises TuneLogError where `output` has a database already or cannot be written.
    """
    log = TuneLog.load(folder)
    if any((output / name).exists() for name in (WORKLOADS, RECORDS, PROVENANCE)):
        raise TuneLogError(f"{output}: has a database already (give another folder)")
    is_new = not output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / PROVENANCE, output / PROVENANCE)
        write_database(output, log.records)
    except OSError as error:
        with contextlib.suppress(OSError):
            for name in (WORKLOADS, RECORDS, PROVENANCE):
                (output / name).unlink(missing_ok=True)
            if is_new:
                output.rmdir()
        raise TuneLogError(f"{output}: cannot be written ({reason(error)})") from error
