"""Every log in `tune_logs/`: sound, complete, applies today, and gives right numbers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.check.verify import verify
from edgemnv2.codegen.emit import runtime_file
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.provenance import version_of
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import best_decisions, tuned_or_default
from edgemnv2.records.task import find_tasks
from edgemnv2.runners import make_runner, runner_for
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE
from edgemnv2.samples.inputs import SampleChoice
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from edgemnv2.tuner.manage import check_log, log_folders
from edgemnv2.tuner.stale import _header_code, outdated, remeasure, runner_of

FOLDERS = log_folders(None)
MODEL = "mobilenetv2-0.35-96-int8"
TOOLS = {"qemu-system": "qemu-system-arm", "qemu-user": "qemu-aarch64", "local": "gcc"}


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_it_is_sound_and_tells_where_it_comes_from(folder: Path) -> None:
    assert check_log(folder).problems == ()
    log = TuneLog.load(folder)
    assert log.target_name == folder.name
    assert len(log.records) == len(log.task_keys()), "pruned to one record a task"


def test_its_costs_are_those_of_todays_kernels(
    folder: Path, require_tool: Callable[[str], str]
) -> None:
    """Quick where the kernels make the code that they made; else the networks are counted anew."""
    log, target = TuneLog.load(folder), load_target(folder.name)
    changed = outdated(log, target, MODEL)
    if log.metric == "seconds":
        assert not changed, f"tune again: {changed[0]}"
    # The default run looks at the small network only; `logs check --measure` at all.
    elif changed:
        require_tool(TOOLS[target.runner])
        if log.metric == "cycles":
            require_tool(LLVM_PACKAGE.replace("llvm", "llvm-mca"))
        differs, _ = remeasure(log, target, MODEL, runner_of(log.metric, target))
        assert not differs, (
            f"{len(differs)} costs are of older kernels, such as {differs[0]}: "
            f"run `python -m edgemnv2.lab.ship_logs {folder.name}`"
        )


def test_it_applies_to_every_task_of_the_network(folder: Path) -> None:
    target, graph = load_target(folder.name), lower(load_model(MODEL))
    tuned = best_decisions(graph, target, folder)
    assert tuned.notes == ()
    tasks = find_tasks(graph, target, ScheduleOptions.default(target))
    assert set(tuned.records) == {name for task in tasks for name in task.layers}


def test_it_survives_a_release_and_a_comment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the package and a comment in every kernel: still in use, still fresh."""
    headers = tmp_path / "kernels"
    shutil.copytree(runtime_file("kernels"), headers)
    for path in headers.glob("*.h"):
        path.write_text("/* A new remark. */\n" + path.read_text())
    monkeypatch.setattr("edgemnv2.tuner.stale.runtime_file", lambda name: tmp_path / name)
    monkeypatch.setattr("edgemnv2.version.__version__", "9.9.9")
    monkeypatch.setattr(
        "edgemnv2.provenance.version_of",
        lambda name: "9.9.9" if name == "edgemnv2" else version_of(name),
    )
    _header_code.cache_clear()
    target, graph = load_target(folder.name), lower(load_model(MODEL))
    tuned = tuned_or_default(graph, target, None, ScheduleOptions.default(target))
    assert tuned.notes == () and tuned.records
    assert outdated(TuneLog.load(folder), target, MODEL) == []
    _header_code.cache_clear()


def test_another_micro_kernel_makes_records_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels for Cortex-M are calls of functions in headers: those are their code, too."""
    headers = tmp_path / "kernels"
    shutil.copytree(runtime_file("kernels"), headers)
    changed = headers / "cortex_m_depthwise.h"
    changed.write_text(changed.read_text() + "static inline int more(void) { return 1; }\n")
    monkeypatch.setattr("edgemnv2.tuner.stale.runtime_file", lambda name: tmp_path / name)
    _header_code.cache_clear()
    log = TuneLog.load(next(f for f in FOLDERS if f.name == "mps2-an386"))
    stale = outdated(log, load_target("mps2-an386"), MODEL)
    assert stale and all(line.endswith("its code has changed") for line in stale)
    assert len(stale) < len(log.codes[MODEL]), "the pointwise records stand"
    _header_code.cache_clear()


@pytest.mark.slow
def test_it_gives_right_numbers(
    folder: Path, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    target = load_target(folder.name)
    require_tool(TOOLS[target.runner])
    artifact = compile_graph(
        lower(load_model(MODEL)), target, tmp_path / "art", CompileOptions(tune_logs=folder)
    )
    assert any(k.schedule not in ("default", "fallback") for k in artifact.manifest.kernels)
    runner = make_runner(target.runner) if target.is_bare_metal else runner_for(artifact)
    assert verify(artifact, runner, SampleChoice(random=2)).exact
