"""What compile reads of a log: the best record that applies, else the default, and it says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgemnv2.errors import TuneLogError
from edgemnv2.frontend import load_model
from edgemnv2.passes import lower
from edgemnv2.pipeline import CompileOptions, compile_graph
from edgemnv2.records.log import TuneLog
from edgemnv2.records.lookup import best_decisions, log_folder, shipped_logs, tuned_or_default
from edgemnv2.records.record import Record
from edgemnv2.records.task import Task, find_tasks, network_tasks
from edgemnv2.schedules import ScheduleOptions
from edgemnv2.target import load_target
from edgemnv2.tuner.search import assignments
from tests.tuner.tiny_network import tiny_network

TARGET = load_target("rpi4")
OPTIONS = ScheduleOptions.default(TARGET)


def _tasks() -> dict[str, Task]:
    return {task.op: task for task in find_tasks(tiny_network(), TARGET, OPTIONS)}


def _log(folder: Path, *records: Record) -> None:
    log = TuneLog.create(folder, TARGET, "instructions")
    for record in records:
        log.append(record)
    log.save()


def _other(task: Task) -> dict[str, object]:
    return next(d for d in assignments(task) if d != dict(task.default))


def test_the_best_record_reaches_the_manifest(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    task = _tasks()["pointwise"]
    best = Record(task.key, _other(task), (10.0,), task.space)
    _log(tmp_path / "logs" / "rpi4", best, Record(task.key, task.default, (20.0,), task.space))
    options = CompileOptions(tune_logs=tmp_path / "logs", threads=1)
    artifact = compile_graph(tiny_network(), TARGET, tmp_path / "art", options)
    kernels = {k.name: k for k in artifact.manifest.kernels}
    tuned = kernels[task.layers[0]]
    assert tuned.schedule == best.id
    assert {n: tuned.decisions[n] for n in best.decisions} == best.decisions
    assert {k.schedule for k in kernels.values()} == {best.id, "default"}
    assert artifact.manifest.tuning_notes == ()


def test_a_record_that_no_longer_applies_is_reported_and_not_used(tmp_path: Path) -> None:
    task = _tasks()["depthwise"]
    old = Record(task.key, {"pixels": 99}, (1.0,), {"pixels": (7, 99)})
    _log(tmp_path, old)
    tuned = best_decisions(tiny_network(), TARGET, tmp_path)
    assert not tuned.decisions and not tuned.records
    assert len(tuned.notes) == 1 and old.id in tuned.notes[0] and "no longer" in tuned.notes[0]
    second = Record(task.key, _other(task), (2.0,), task.space)
    _log(tmp_path, old, second)
    tuned = best_decisions(tiny_network(), TARGET, tmp_path)
    assert tuned.records == dict.fromkeys(task.layers, second.id) and not tuned.notes


def test_decisions_about_the_network_come_from_the_log_and_reach_the_manifest(
    tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("aarch64-linux-gnu-gcc")
    network, threads = network_tasks(tiny_network(), TARGET, OPTIONS, "seconds")
    cut = {"chains": "memory", "whole_rows_max": 7}
    records = [
        Record(network.key, cut, (1.0,), network.space),
        Record(threads.key, {"thread_chains": "layers"}, (1.0,), threads.space),
    ]
    log = TuneLog.create(tmp_path / "log", TARGET, "seconds")
    for record in records:
        log.append(record)
    log.save()
    tuned = best_decisions(tiny_network(), TARGET, tmp_path / "log", OPTIONS)
    assert tuned.network == {**cut, "thread_chains": "layers"} and not tuned.notes
    assert not best_decisions(tiny_network(2), TARGET, tmp_path / "log", OPTIONS).network
    options = CompileOptions(tune_logs=tmp_path / "log", threads=2)
    made = compile_graph(tiny_network(), TARGET, tmp_path / "art", options).manifest
    assert (made.chains, made.thread_chains) == ("memory", "layers")
    assert made.network_records == {"network": records[0].id, "threads": records[1].id}
    asked = CompileOptions(tune_logs=tmp_path / "log", chains="blocks", threads=2)
    made = compile_graph(tiny_network(), TARGET, tmp_path / "own", asked).manifest
    assert (made.chains, made.thread_chains) == ("blocks", "blocks"), "the user's word"


def test_a_count_decides_nothing_about_threads_and_a_microcontroller_keeps_its_cut() -> None:
    counted = network_tasks(tiny_network(), TARGET, OPTIONS, "instructions")
    assert [task.op for task in counted] == ["network"]
    assert set(counted[0].default) == set(counted[0].space) and counted[0].label == "network"
    assert network_tasks(tiny_network(), load_target("mps2-an500"), OPTIONS, "instructions") == ()


def test_a_named_log_must_suit_and_the_shipped_one_need_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _log(tmp_path / "rpi4")
    assert log_folder(tmp_path, TARGET) == log_folder(tmp_path / "rpi4", TARGET)
    other = replace(TARGET, cpu=replace(TARGET.cpu, core="cortex-a9"))
    with pytest.raises(TuneLogError, match=r"is a log for rpi4 \(aarch64 cortex-a72 neon\)"):
        tuned_or_default(tiny_network(), other, tmp_path, OPTIONS)
    monkeypatch.setattr("edgemnv2.records.lookup.shipped_logs", lambda: tmp_path)
    tuned = tuned_or_default(tiny_network(), other, None, OPTIONS)
    assert not tuned.decisions and "defaults are used" in tuned.notes[0]
    assert str(tmp_path) not in tuned.notes[0]


def test_a_log_serves_every_board_with_its_core(tmp_path: Path) -> None:
    """Clock, memories, caches and a floating-point unit make no other log; a core does."""
    _log(tmp_path / "rpi4")
    mine = replace(
        TARGET,
        name="myboard",
        memories=TARGET.memories[:1],
        cpu=replace(TARGET.cpu, clock_hz=1, cores=1, l1d_bytes=0, l1d_ways=0),
    )
    assert log_folder(tmp_path, mine) == tmp_path / "rpi4"
    best_decisions(tiny_network(), mine, tmp_path / "rpi4")
    # One of its own goes before.
    TuneLog.create(tmp_path / "myboard", mine, "seconds").save()
    assert log_folder(tmp_path, mine) == tmp_path / "myboard"
    assert log_folder(tmp_path, TARGET) == tmp_path / "rpi4"
    other = replace(TARGET, name="other", cpu=replace(TARGET.cpu, core="cortex-a9"))
    assert log_folder(tmp_path, other) == tmp_path / "other"


SAME_CORE = {
    "nucleo-h743zi": "mps2-an500",
    "nucleo-f746zg": "mps2-an500",
    "nucleo-f446re": "mps2-an386",
    "nano33ble": "mps2-an386",
    "stm32l4r5": "mps2-an386",
    "rpi-pico2": "mps2-an505",
    "rpi-zero2": "rpi3",
    "cortex-a53": "rpi3",
}


@pytest.mark.parametrize(("board", "log"), SAME_CORE.items())
def test_boards_use_the_shipped_log_of_their_core(board: str, log: str) -> None:
    target, graph = load_target(board), lower(load_model("mobilenetv2-0.35-96-int8"))
    assert log_folder(shipped_logs(), target) == shipped_logs() / log
    options = ScheduleOptions.default(target)
    tuned = tuned_or_default(graph, target, None, options)
    theirs = tuned_or_default(graph, load_target(log), None, options)
    assert tuned.records and tuned == theirs
    tasks = find_tasks(graph, target, options)
    assert set(tuned.records) == {name for task in tasks for name in task.layers}


def test_tasks_know_neither_weights_nor_names() -> None:
    graph = tiny_network()
    renamed = tiny_network(model="mobilenetv2-0.35-32-int8")
    layers = tuple(replace(layer, name=f"x{i}") for i, layer in enumerate(renamed.layers))
    again = find_tasks(replace(renamed, layers=layers), TARGET, OPTIONS)
    assert {task.key for task in again} == {t.key for t in find_tasks(graph, TARGET, OPTIONS)}
