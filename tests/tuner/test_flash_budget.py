"""What a candidate may take of a microcontroller's flash."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.frontend import load_model
from edgemnv2.ops.graph import Graph
from edgemnv2.passes import lower
from edgemnv2.records.task import Task, find_tasks
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from edgemnv2.tuner.trial import Candidate, TrialBench
from edgemnv2.tuner.tuner import TuneOptions, tune_graph
from tests.tuner.fake_runner import FakeRunner
from tests.tuner.tiny_network import tiny_network

WIDE = {"weights": "HALVES"}


@cache
def network() -> Graph:
    return lower(load_model("mobilenetv2-0.35-32-int8"))


def narrow_task() -> Task:
    """One whose weights are bytes by default, and could be twice as large."""
    target = load_target("mps2-an386")
    tasks = find_tasks(network(), target, ScheduleOptions.default(target))
    return next(task for task in tasks if "head" in task.layers)


def reason(budget: int | None) -> str:
    bench = TrialBench(network(), load_target("mps2-an386"), [FakeRunner()], 0, budget)
    return bench.too_big(Candidate(narrow_task(), WIDE))


def test_without_a_budget_no_layer_outgrows_its_default() -> None:
    assert "bytes more of flash than the default" in reason(None)


def test_with_a_budget_larger_constants_are_tried_as_long_as_all_fit() -> None:
    assert reason(1 << 24) == ""
    refused = reason(100)
    assert refused.endswith("bytes of constants with it, the budget is 100")
    needed = int(refused.split()[0])
    assert reason(needed) == ""
    assert reason(needed - 1) != ""


def test_linux_has_no_flash_to_budget(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"flash_budget=: rpi4 is a Linux target"):
        tune_graph(
            tiny_network(),
            load_target("rpi4"),
            [FakeRunner()],
            tmp_path,
            TuneOptions(flash_budget=1 << 20),
        )
