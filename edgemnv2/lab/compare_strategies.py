"""Compares search strategies: `python -m edgemnv2.lab.compare_strategies --work DIR`.

Every candidate of every task of a few networks is measured once (`edgemnv2 tune` with no limit,
into DIR, where a second call finds it); then each strategy searches in that table, with many seeds,
and what counts is how far the best of its first N trials, the default included, is above the best
of the table. Written to compare_strategies.json beside this file.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.records.log import TuneLog
from edgemnv2.records.task import Task, find_tasks
from edgemnv2.runners import make_runner
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from edgemnv2.tuner.search import STRATEGIES, assignments, make_search
from edgemnv2.tuner.tuner import TuneOptions, tune

__all__ = ["RESULT", "Table", "main", "regret", "trials_until"]

RESULT = Path(__file__).with_suffix(".json")
TRIALS = (2, 4, 8, 16, 32)
LEAST_SPACE = 12
"""Tasks with fewer assignments are exhausted by anything."""
NETWORKS = (
    ("rpi4", "mobilenetv2-0.35-96-int8"),
    ("rpi4", "mobilenetv2-0.35-96"),
    ("rpi5", "mobilenetv2-0.35-96-int8"),
)


@dataclass(frozen=True)
class Table:
    """What each assignment of a task costs; None where it cannot be used."""

    task: Task
    costs: Mapping[str, float | None]

    @staticmethod
    def of(task: Task, costs: Sequence[float | None]) -> Table:
        """The table of `costs` in the order of `assignments`."""
        return Table(task, dict(zip(map(_key, assignments(task)), costs, strict=True)))

    def cost(self, decisions: Mapping[str, Any]) -> float | None:
        """Of one candidate."""
        return self.costs[_key(decisions)]


def measured_tables(target_name: str, model: str, work: Path) -> list[Table]:
    """The tables of the network's tasks, measured as far as `work` does not have them."""
    target = load_target(target_name)
    folder = work / target_name
    options = TuneOptions(trials=10**6, strategy="neighbours")
    tune(model, target_name, [make_runner(target.runner)], folder, options)
    log = TuneLog.load(folder)
    tables = []
    for task in find_tasks(lower(load_model(model)), target, ScheduleOptions.default(target)):
        if task.size < LEAST_SPACE:
            continue
        records = [log.find(task.key, decisions) for decisions in assignments(task)]
        tables.append(Table.of(task, [None if r is None else r.costs[0] for r in records]))
    return tables


def trials_until(
    tables: Sequence[Table], strategy: str, seed: int, trials: int
) -> dict[str, list[float]]:
    """Best cost so far after 1 .. `trials` trials of each task (by name), searched together."""
    search = make_search(strategy, seed)
    best: dict[str, list[float]] = {}
    for table in tables:
        cost = table.cost(table.task.default)
        assert cost is not None, "the default is always measured"
        search.tell(table.task, table.task.default, cost)
        best[table.task.name] = [cost]
    busy = list(tables)
    while busy:
        batches = [(table, search.propose(table.task)) for table in busy]
        busy = []
        for table, batch in batches:
            curve = best[table.task.name]
            for decisions in batch[: trials - len(curve)]:
                cost = table.cost(decisions)
                search.tell(table.task, decisions, cost)
                curve.append(curve[-1] if cost is None else min(curve[-1], cost))
            if batch and len(curve) < trials:
                busy.append(table)
    return {name: curve + curve[-1:] * (trials - len(curve)) for name, curve in best.items()}


def regret(tables: Sequence[Table], curves: Mapping[str, Sequence[float]], trials: int) -> float:
    """By how much all layers together cost more than with the best of every table; 0 is best."""
    found = least = 0.0
    for table in tables:
        count = len(table.task.layers)
        least += count * min(cost for cost in table.costs.values() if cost is not None)
        found += count * curves[table.task.name][trials - 1]
    return found / least - 1


def compare(networks: Sequence[tuple[str, str]], work: Path, seeds: int) -> dict[str, Any]:
    """The result file's content."""
    rows = []
    for target, model in networks:
        tables = measured_tables(target, model, work)
        for strategy in STRATEGIES:
            curves = [trials_until(tables, strategy, seed, max(TRIALS)) for seed in range(seeds)]
            regrets = {str(n): [regret(tables, one, n) for one in curves] for n in TRIALS}
            rows.append(
                {
                    "target": target,
                    "model": model,
                    "tasks": len(tables),
                    "assignments": sum(table.task.size for table in tables),
                    "strategy": strategy,
                    "mean_regret": {n: round(sum(v) / seeds, 6) for n, v in regrets.items()},
                    "worst_regret": {n: round(max(v), 6) for n, v in regrets.items()},
                }
            )
            print(_line(rows[-1]), flush=True)
    return {"command": "python -m edgemnv2.lab.compare_strategies", "seeds": seeds, "rows": rows}


def _line(row: Mapping[str, Any]) -> str:
    shares = "  ".join(f"{n}: {100 * v:6.3f} %" for n, v in row["mean_regret"].items())
    return (
        f"{row['target']:5} {row['model']:26} {row['tasks']:3} tasks  {row['strategy']:13} {shares}"
    )


def _key(decisions: Mapping[str, Any]) -> str:
    return json.dumps(dict(decisions), sort_keys=True)


def main() -> int:
    """Measure, compare, write, print."""
    parser = argparse.ArgumentParser(
        prog="python -m edgemnv2.lab.compare_strategies", description=__doc__
    )
    parser.add_argument("--work", type=Path, default=Path("tune_tables"), help="measured tables")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="of every strategy (20)")
    args = parser.parse_args()
    result = compare(NETWORKS, args.work, args.seeds)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
