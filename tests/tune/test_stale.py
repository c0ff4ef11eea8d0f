"""Logs do not go stale silently: changed sources are noted, changed costs are a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_runner import FakeRunner, default_price
from tiny_network import tiny_network

from edgemnv2.errors import TuneLogError
from edgemnv2.schedules import ScheduleOptions, avx2, family_of
from edgemnv2.target import Target, load_target, missing_local_features
from edgemnv2.tune import find_tasks
from edgemnv2.tune.log import TuneLog
from edgemnv2.tune.manage import check_log
from edgemnv2.tune.stale import code_fingerprint, outdated
from edgemnv2.tune.tuner import TuneOptions, tune_graph


@pytest.fixture
def host(require_tool: Callable[[str], str]) -> Target:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target) or family_of(target) is not avx2:
        pytest.skip("this machine cannot run code for the target host")
    return target


def _tune(target: Target, folder: Path, price: Any = default_price) -> None:
    tune_graph(tiny_network(), target, [FakeRunner(price)], folder, TuneOptions(3))


def _age(folder: Path) -> TuneLog:
    """The log as it were of other kernels."""
    log = TuneLog.load(folder)
    log.header["sessions"] = [{**s, "code": "older"} for s in log.header["sessions"]]
    log.write_header()
    return log


@pytest.fixture
def counted(host: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of counts for `host`, whose `logs check --measure` counts with the fake runner."""
    _tune(host, tmp_path / "log")
    monkeypatch.setattr("edgemnv2.tune.manage.make_runner", lambda name: FakeRunner())
    monkeypatch.setattr("edgemnv2.tune.stale.load_model", lambda name: name)
    monkeypatch.setattr("edgemnv2.tune.stale.lower", lambda name: tiny_network())
    return tmp_path / "log"


def test_each_family_has_a_fingerprint_of_its_own_sources() -> None:
    found = {name: code_fingerprint(load_target(name)) for name in ("rpi4", "rpi3", "mps2-an500")}
    assert found["rpi4"] == found["rpi3"] != found["mps2-an500"]
    assert all(len(digest) == 16 for digest in found.values())


def test_a_fresh_log_is_not_outdated(counted: Path, host: Target) -> None:
    assert outdated(TuneLog.load(counted), host) == []
    checked = check_log(counted)
    assert checked.problems == checked.notes == ()


def test_changed_sources_are_a_note_that_a_measurement_settles(counted: Path, host: Target) -> None:
    _age(counted)
    checked = check_log(counted)
    assert checked.problems == () and len(checked.notes) == 1
    assert "--measure" in checked.notes[0] and "edgemnv2 tune tiny" in checked.notes[0]
    checked = check_log(counted, measure=True)
    assert checked.problems == checked.notes == ()
    assert outdated(TuneLog.load(counted), host) == [], "it notes that the figures hold"


def test_a_cost_that_changed_is_a_problem_with_its_remedy(counted: Path) -> None:
    log = _age(counted)
    record = log.best_first(log.task_keys()[0])[0]
    log.drop(record.key)
    log.append(replace(record, costs=(record.cost + 1,)))
    log.save()
    (problem,) = check_log(counted, measure=True).problems
    assert "1 records of tiny no longer hold" in problem and "edgemnv2 tune tiny" in problem
    assert f"{record.cost:.0f} instructions, {record.cost + 1:.0f} in the log" in problem


def test_tuning_again_forgets_tasks_whose_default_costs_something_else(
    counted: Path, host: Target
) -> None:
    tasks = {t.op: t for t in find_tasks(tiny_network(), host, ScheduleOptions.default(host))}
    same, other = tasks["pointwise"], tasks["depthwise"]

    def slower(layer: str, decisions: Any) -> float:
        return default_price(layer, decisions) + (7 if layer in other.layers else 0)

    before = TuneLog.load(counted)
    _tune(host, counted, slower)
    after = TuneLog.load(counted)
    assert after.best_first(same.key) == before.best_first(same.key)
    cost = {str(r.decisions): r.costs[0] for r in before.best_first(other.key)}
    for record in after.best_first(other.key):
        assert record.costs[0] == pytest.approx(7 + cost[str(record.decisions)])


def test_times_of_other_kernels_are_not_mixed_with_todays(host: Target, tmp_path: Path) -> None:
    log = TuneLog.create(tmp_path, host, "seconds")
    log.add_session({"code": "older", "model": {"name": "tiny", "sha256": ""}})
    log.save()

    class Clock(FakeRunner):
        def run(self, *args: Any, **wanted: Any) -> Any:
            return replace(super().run(*args, **wanted), metric="seconds")

    with pytest.raises(TuneLogError, match="measured with other kernels"):
        tune_graph(tiny_network(), host, [Clock()], tmp_path, TuneOptions(2))
