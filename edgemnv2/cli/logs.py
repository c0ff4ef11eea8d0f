"""`edgemnv2 logs`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgemnv2.cli.bounded import Bounded

__all__ = ["EXAMPLES", "add_arguments", "run"]

EXAMPLES = """
edgemnv2 logs check
edgemnv2 logs check --measure
edgemnv2 logs show rpi4
edgemnv2 logs merge mine theirs -o both
edgemnv2 logs prune both --keep 1
"""
_ACTIONS = {
    "show": "the best record of every task",
    "check": "whether logs can be used; exit code 1 if not",
    "merge": "several logs of one target into one",
    "prune": "keep the best records of each task, sorted",
    "export": "the log as MetaSchedule's database",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `logs`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in _ACTIONS.items():
        action = actions.add_parser(name, help=summary, description=summary.capitalize() + ".")
        folder = "a log, a folder of logs, or a target's name for the log that ships (all of those)"
        if name in ("show", "check"):
            action.add_argument("folder", nargs="?", type=Path, metavar="DIR", help=folder)
        elif name == "merge":
            action.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="logs")
        else:
            action.add_argument("folder", type=Path, metavar="DIR", help="a log")
        if name in ("merge", "export"):
            action.add_argument(
                "-o", "--output", type=Path, required=True, metavar="DIR", help="the new log"
            )
        if name == "check":
            action.add_argument(
                "--measure",
                action="store_true",
                help="where kernels have changed, count the networks anew and compare",
            )
        if name == "prune":
            action.add_argument(
                "--keep",
                type=int,
                action=Bounded,
                least=1,
                default=1,
                metavar="N",
                help="a task (1)",
            )
        action.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(args: argparse.Namespace) -> int:
    """Do it; exit code 1 when `check` finds a problem."""
    facts, lines, code = {
        "show": _show,
        "check": _check,
        "merge": _merge,
        "prune": _prune,
        "export": _export,
    }[args.action](args)
    print(json.dumps(facts) if args.json else "\n".join(lines))
    return code


_Answer = tuple[dict[str, Any], list[str], int]


def _show(args: argparse.Namespace) -> _Answer:
    from edgemnv2.api import log_folders, log_summary

    logs = [log_summary(folder) for folder in log_folders(args.folder)]
    lines = []
    for log in logs:
        lines.append(f"{log['folder']}: {log['target']['name']}, {log['unit']}")
        for task in log["tasks"]:
            facts = task["task"]
            sizes = " -> ".join("x".join(map(str, facts.get(e, []))) for e in ("in", "out"))
            decided = ", ".join(f"{k} {v}" for k, v in task["decisions"].items())
            lines.append(
                f"  {task['best']}  {facts['op']:10} {sizes:28} {task['cost']:.6g}  {decided}"
            )
    return {"logs": logs}, lines, 0


def _check(args: argparse.Namespace) -> _Answer:
    from edgemnv2.api import check_log, log_folders

    checked = [check_log(folder, args.measure) for folder in log_folders(args.folder)]
    problems = [problem for log in checked for problem in log.problems]
    lines = [
        f"{log.folder}: {log.tasks} tasks, {log.records} records, {log.metric}"
        for log in checked
        if not log.problems
    ]
    for problem in [*problems, *(note for log in checked for note in log.notes)]:
        print(f"edgemnv2 logs: {problem}", file=sys.stderr)
    return (
        {"ok": not problems, "logs": [asdict(log) for log in checked]},
        lines,
        int(bool(problems)),
    )


def _merge(args: argparse.Namespace) -> _Answer:
    from edgemnv2.api import merge_logs

    merged = merge_logs(args.folders, args.output)
    count = len(merged.records)
    return (
        {"log": str(args.output), "records": count, "tasks": len(merged.task_keys())},
        [f"{args.output}: {count} records"],
        0,
    )


def _prune(args: argparse.Namespace) -> _Answer:
    from edgemnv2.api import prune_log

    gone = prune_log(args.folder, args.keep)
    return {"log": str(args.folder), "removed": gone}, [f"{args.folder}: {gone} records removed"], 0


def _export(args: argparse.Namespace) -> _Answer:
    from edgemnv2.api import export_log

    export_log(args.folder, args.output)
    return {"log": str(args.output)}, [f"{args.output}: written"], 0
