"""Tuning: tasks, search, trials whose outputs are checked, logs, and what compile reads of them."""

from __future__ import annotations

from edgemnv2.tune.lookup import Tuned, best_decisions, log_folder, shipped_logs
from edgemnv2.tune.task import Task, find_tasks

__all__ = ["Task", "Tuned", "best_decisions", "find_tasks", "log_folder", "shipped_logs"]
