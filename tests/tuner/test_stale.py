"""Logs go stale where their code changed, and nowhere else: a note, or, for a cost, a problem."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgemnv2.ops.kernel import RowKernel
from edgemnv2.records.log import TuneLog
from edgemnv2.records.task import Task, find_tasks
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE
from edgemnv2.schedules import ScheduleOptions, avx2, family_of
from edgemnv2.target import Target, load_target, missing_local_features
from edgemnv2.tir.code import Code
from edgemnv2.tuner.manage import check_log
from edgemnv2.tuner.stale import code_digest, costs_agree, outdated, runner_of
from edgemnv2.tuner.tuner import TuneOptions, tune_graph
from tests.tuner.fake_runner import FakeRunner, default_price
from tests.tuner.tiny_network import tiny_network


@pytest.fixture
def host(require_tool: Callable[[str], str]) -> Target:
    require_tool("gcc")
    target = load_target("host")
    if missing_local_features(target) or family_of(target) is not avx2:
        pytest.skip("this machine cannot run code for the target host")
    return target


def _tune(
    target: Target, folder: Path, price: Any = default_price, trials: int = 3, seed: int = 0
) -> None:
    tune_graph(tiny_network(), target, [FakeRunner(price)], folder, TuneOptions(trials, seed))


def _age(folder: Path) -> TuneLog:
    """The log as it were of other kernels."""
    log = TuneLog.load(folder)
    log.stamp("tiny", dict.fromkeys(log.codes["tiny"], "older"))
    log.write_header()
    return log


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Target], Path]:
    """A log of counts, tuned once; not to be changed."""
    folder = tmp_path_factory.mktemp("tuned") / "log"

    def once(target: Target) -> Path:
        if not folder.exists():
            _tune(target, folder)
        return folder

    return once


@pytest.fixture
def counted(
    host: Target,
    tuned: Callable[[Target], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A log of counts for `host`, whose `logs check --measure` counts with the fake runner."""
    shutil.copytree(tuned(host), tmp_path / "log")
    monkeypatch.setattr("edgemnv2.tuner.manage.runner_of", lambda metric, target: FakeRunner())
    monkeypatch.setattr("edgemnv2.tuner.stale.load_model", lambda name: name)
    monkeypatch.setattr("edgemnv2.tuner.stale.lower", lambda name: tiny_network())
    return tmp_path / "log"


@dataclass(frozen=True)
class Function:
    """TIR, as far as a digest sees it, and the builder that makes it."""

    text: str
    calls: Mapping[str, Any] = field(default_factory=dict)

    def script(self) -> str:
        return self.text

    def function(self) -> Function:
        return self


def _kernel(**other: Any) -> RowKernel:
    facts: dict[str, Any] = {
        "symbol": "k",
        "constants": (np.zeros(3, np.int8),),
        "code": Code.of(Function("work()")),
        "c_requires": ("cortex_m_add.h",),
    }
    return RowKernel(**{**facts, **other})


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("void k(void) {\n  work(); // said otherwise\n}", True),
        ("void k(void) { work(1); }", False),
        ('void k(void) { work("/* a comment */"); }', False),
    ],
)
def test_a_comment_in_a_header_is_no_other_code(
    text: str, same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels"
    folder.mkdir()
    monkeypatch.setattr("edgemnv2.tuner.stale.runtime_file", lambda name: tmp_path / name)
    # Headers are read once by name.
    names = [f"{tmp_path.name}_{which}.h" for which in ("one", "other")]
    (folder / names[0]).write_text("void k(void) { /* a comment */ work(); }")
    (folder / names[1]).write_text(text)
    one, other = (code_digest(_kernel(c_requires=(name,))) for name in names)
    assert (one == other) is same


@pytest.mark.parametrize(
    "other",
    [
        {"code": Code.of(Function("work(1)"))},
        {"code": Code.of(Function("work()", {"shared": Function("more()")}))},
        {"c_requires": ()},
        {"scratch_bytes": 8},
        {"constants": (np.zeros(4, np.int8),)},
    ],
    ids=lambda other: next(iter(other)),
)
def test_other_code_has_another_digest(other: dict[str, Any]) -> None:
    assert code_digest(_kernel(**other)) != code_digest(_kernel())


def test_values_of_constants_are_no_code() -> None:
    assert code_digest(_kernel(constants=(np.ones(3, np.int8),))) == code_digest(_kernel())


def test_a_fresh_log_is_not_outdated(counted: Path, host: Target) -> None:
    log = TuneLog.load(counted)
    assert log.codes["tiny"] and outdated(log, host, "tiny") == []
    checked = check_log(counted)
    assert checked.problems == checked.notes == ()


def test_only_the_record_whose_code_changed_is_stale(counted: Path, host: Target) -> None:
    log = TuneLog.load(counted)
    first, *others = sorted(log.codes["tiny"])
    log.stamp("tiny", {**log.codes["tiny"], first: "older"})
    assert others
    (line,) = outdated(log, host, "tiny")
    assert line.endswith("its code has changed")


def test_changed_code_is_a_note_that_a_measurement_settles(counted: Path, host: Target) -> None:
    _age(counted)
    checked = check_log(counted)
    assert checked.problems == () and len(checked.notes) == 1
    assert "--measure" in checked.notes[0] and "edgemnv2 tune tiny" in checked.notes[0]
    checked = check_log(counted, measure=True)
    assert checked.problems == checked.notes == ()
    assert outdated(TuneLog.load(counted), host, "tiny") == [], "it notes that the figures hold"


def test_a_cost_that_changed_is_a_problem_with_its_remedy(counted: Path) -> None:
    log = _age(counted)
    record = log.best_first(log.task_keys()[0])[0]
    log.drop(record.key)
    log.append(replace(record, costs=(record.cost + 1,)))
    log.save()
    (problem,) = check_log(counted, measure=True).problems
    assert "1 records of tiny no longer hold" in problem and "edgemnv2 tune tiny" in problem
    assert f"{record.cost:.0f} instructions, {record.cost + 1:.0f} in the log" in problem


@pytest.mark.slow(ci=True)
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


@pytest.mark.parametrize("trials", [1, 2])
def test_what_was_best_of_changed_kernels_is_tried_first(
    counted: Path, host: Target, trials: int
) -> None:
    def best_of(task: Task) -> Mapping[str, Any]:
        return TuneLog.load(counted).best_first(task.key)[0].decisions

    tasks = find_tasks(tiny_network(), host, ScheduleOptions.default(host))
    before = {task.name: best_of(task) for task in tasks}
    assert any(dict(before[task.name]) != dict(task.default) for task in tasks)
    _age(counted)
    # One candidate beside the default, even of one trial: another seed would hardly draw the same.
    _tune(host, counted, trials=trials, seed=trials)
    assert {task.name: best_of(task) for task in tasks} == before


@pytest.mark.slow(ci=True)
def test_times_of_other_kernels_are_not_mixed_with_todays(host: Target, tmp_path: Path) -> None:
    """They go, and the task is measured anew; the times of unchanged kernels stay."""

    class Clock(FakeRunner):
        def run(self, *args: Any, **wanted: Any) -> Any:
            return replace(super().run(*args, **wanted), metric="seconds")

    tune_graph(tiny_network(), host, [Clock()], tmp_path, TuneOptions(2))
    log = TuneLog.load(tmp_path)
    stale, fresh = (r for r in log.records if r.id in sorted(log.codes["tiny"])[:2])
    log.stamp("tiny", {**log.codes["tiny"], stale.id: "older"})
    log.drop(stale.key)
    log.append(replace(stale, costs=(1e-12, 1e-12)))
    log.drop(fresh.key)
    log.append(replace(fresh, costs=(2e-12, 2e-12)))
    log.save()
    tune_graph(tiny_network(), host, [Clock()], tmp_path, TuneOptions(2))
    after = TuneLog.load(tmp_path)
    assert all(record.cost > 1e-11 for record in after.best_first(stale.key))
    assert min(record.cost for record in after.best_first(fresh.key)) == 2e-12


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize(("metric", "share", "kept"), [
    ("cycles", 1.002, True), ("cycles", 0.998, True), ("cycles", 1.05, False),
    ("instructions", 1.002, False),
])  # fmt: skip
def test_records_outlive_what_estimates_differ_by(
    host: Target, tmp_path: Path, metric: str, share: float, kept: bool
) -> None:
    """The caches that cycles are estimated with see other addresses when another layer changes."""

    class Estimate(FakeRunner):
        def run(self, *args: Any, **wanted: Any) -> Any:
            return replace(super().run(*args, **wanted), metric=metric)

    def dearer(layer: str, decisions: Mapping[str, Any]) -> float:
        return share * default_price(layer, decisions)

    def costs() -> dict[tuple[str, str], float]:
        """First costs of layers' records; those of the whole network are of each session."""
        log = TuneLog.load(tmp_path)
        return {
            (task.name, str(record.decisions)): record.costs[0]
            for task in find_tasks(tiny_network(), host, ScheduleOptions.default(host))
            for record in log.best_first(task.key)
        }

    tune_graph(tiny_network(), host, [Estimate()], tmp_path, TuneOptions(2))
    before = costs()
    tune_graph(tiny_network(), host, [Estimate(dearer)], tmp_path, TuneOptions(2))
    assert (before.items() <= costs().items()) == kept


@pytest.mark.parametrize(("metric", "known", "today", "agree"), [
    ("instructions", 1000, 1000, True), ("instructions", 1000, 1001, False),
    ("cycles", 1000, 1010, True), ("cycles", 1000, 990, True), ("cycles", 1000, 1011, False),
    ("seconds", 1.0, 2.0, True),
])  # fmt: skip
def test_costs_of_the_same_code(metric: str, known: float, today: float, agree: bool) -> None:
    assert costs_agree(metric, known, today) == agree


def test_a_log_is_measured_anew_by_what_measured_it(require_tool: Callable[[str], str]) -> None:
    require_tool(LLVM_PACKAGE.replace("llvm", "llvm-mca"))
    target = load_target("rpi4")
    assert runner_of("instructions", target).name == "qemu-user"
    assert runner_of("cycles", target).name == "cycles"
