"""Logs: MetaSchedule reads them, order never counts, foreign and damaged ones are refused."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.errors import TuneLogError
from edgemnv2.records.files import PROVENANCE, RECORDS, WORKLOADS
from edgemnv2.records.log import TuneLog
from edgemnv2.records.record import Record
from edgemnv2.target import load_target
from edgemnv2.tuner.manage import (
    check_log,
    export_log,
    log_folders,
    log_summary,
    merge_logs,
    prune_log,
)

SPACE = {"mr": (1, 2, 4), "nr": (4, 8), "order": ("panel", "pixel")}
TARGET = load_target("rpi4")
REPOSITORY = Path(__file__).resolve().parents[2]
SESSION = {
    "date": "2026-01-01T00:00:00+00:00",
    "machine": {"cpu": "none"},
    "model": {"name": "m", "sha256": "0"},
    "runner": "qemu-user",
    "seed": 0,
    "trials": 1,
    "versions": {},
}


def _record(mr: int, cost: float, *more: float, task: str = "a", order: str = "panel") -> Record:
    key = json.dumps({"op": task, "in": [1], "out": [1]}, sort_keys=True)
    return Record(key, {"mr": mr, "nr": 8, "order": order}, (cost, *more), SPACE)


def _log(folder: Path, *records: Record, metric: str = "instructions", session: int = 0) -> TuneLog:
    log = TuneLog.create(folder, TARGET, metric)
    log.add_session({**SESSION, "seed": session})
    for record in records:
        log.append(record)
    log.save()
    return log


def _files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (WORKLOADS, RECORDS, PROVENANCE)}


def test_what_is_saved_is_loaded_and_metaschedule_replays_it(tmp_path: Path) -> None:
    from tvm import s_tir
    from tvm.s_tir.meta_schedule.database import JSONDatabase

    from edgemnv2.records.workload import KEY_ANNOTATION, workload_of

    best = _record(4, 100.0, order="pixel")
    _log(tmp_path, _record(1, 300.0), best, _record(2, 123456789.0), _record(1, 7.5, task="b"))
    loaded = TuneLog.load(tmp_path)
    assert [r.costs for r in loaded.best_first(best.key)] == [(100.0,), (300.0,), (123456789.0,)]
    assert loaded.best_first(best.key)[0] == best
    database = JSONDatabase(str(tmp_path / WORKLOADS), str(tmp_path / RECORDS))
    module = workload_of()
    entries = database.get_top_k(database.commit_workload(module), 9)
    assert len(entries) == 4
    (top,) = [entry for entry in entries if float(entry.run_secs[0]) == 100.0]
    schedule = s_tir.Schedule(module)
    top.trace.apply_to_schedule(schedule, remove_postproc=False)
    annotations = schedule.get(schedule.get_sblock("kernel")).annotations
    assert str(annotations[KEY_ANNOTATION]) == best.key
    found = {str(k): int(v) for k, v in annotations.items() if str(k) != KEY_ANNOTATION}
    assert found == {"edgemnv2.mr": 4, "edgemnv2.nr": 8, "edgemnv2.order:panel|pixel": 1}


def test_files_depend_on_the_records_and_not_on_their_order(tmp_path: Path) -> None:
    records = [
        _record(1, 3.0),
        _record(2, 2.0),
        _record(4, 1.0, task="b"),
        _record(2, 5.0, task="b"),
    ]
    _log(tmp_path / "a", *records)
    _log(tmp_path / "b", *reversed(records))
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def test_merging_is_order_independent(tmp_path: Path) -> None:
    _log(tmp_path / "a", _record(1, 3.0), _record(2, 2.0), session=1)
    _log(tmp_path / "b", _record(2, 2.5), _record(4, 9.0, task="b"), session=2)
    _log(tmp_path / "c", _record(2, 2.0, 2.75), session=3)
    folders = [tmp_path / name for name in "abc"]
    merge_logs(folders, tmp_path / "one")
    merge_logs(folders[::-1], tmp_path / "two")
    merge_logs([tmp_path / "one", tmp_path / "a"], tmp_path / "three")
    assert _files(tmp_path / "one") == _files(tmp_path / "two") == _files(tmp_path / "three")
    merged = TuneLog.load(tmp_path / "one")
    assert len(merged.records) == 3 and len(merged.header["sessions"]) == 3
    assert merged.find(_record(2, 0).key, _record(2, 0).decisions).costs == (2.0, 2.75)  # type: ignore[union-attr]


def test_a_confirmed_cost_ranks_before_a_lucky_one(tmp_path: Path) -> None:
    log = _log(tmp_path, _record(1, 1.0), _record(2, 1.5, 3.0), _record(4, 1.4, 4.0))
    assert [r.decisions["mr"] for r in log.best_first(_record(1, 0).key)] == [2, 4, 1]


def test_pruning_keeps_the_best_of_each_task(tmp_path: Path) -> None:
    _log(tmp_path, *(_record(mr, float(mr), task=task) for mr in (1, 2, 4) for task in "ab"))
    assert prune_log(tmp_path, 1) == 4
    assert [r.cost for r in TuneLog.load(tmp_path).records] == [1.0, 1.0]
    assert prune_log(tmp_path, 1) == 0
    with pytest.raises(TuneLogError, match="keep 0"):
        prune_log(tmp_path, 0)


def test_logs_that_cannot_be_together_are_refused(tmp_path: Path) -> None:
    _log(tmp_path / "a", _record(1, 3.0))
    _log(tmp_path / "b", _record(1, 3e-6), metric="seconds")
    with pytest.raises(TuneLogError, match="metric is seconds, but instructions"):
        merge_logs([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert not (tmp_path / "c").exists()
    with pytest.raises(TuneLogError, match=r"for rpi4 \(aarch64 cortex-a72 neon\), not for rpi3"):
        TuneLog.load(tmp_path / "a").check_target(load_target("rpi3"))
    richer = replace(TARGET, cpu=replace(TARGET.cpu, features=frozenset({"neon", "dotprod"})))
    with pytest.raises(TuneLogError, match=r"not for rpi4 \(aarch64 cortex-a72 dotprod neon\)"):
        TuneLog.load(tmp_path / "a").check_target(richer)
    TuneLog.create(tmp_path / "d", load_target("rpi3"), "instructions").save()
    with pytest.raises(TuneLogError, match="core is aarch64 cortex-a53 neon, but aarch64 cortex"):
        merge_logs([tmp_path / "a", tmp_path / "d"], tmp_path / "c")
    with pytest.raises(TuneLogError, match="at least one log"):
        merge_logs([], tmp_path / "c")


def _damage(folder: Path, name: str, change: Any) -> None:
    path = folder / name
    path.write_text(change(path.read_text()))


def test_the_beginning_of_a_line_is_no_record(tmp_path: Path) -> None:
    """A kill or a full disk has cut off the last one: what is before it stays, and goes on."""
    _log(tmp_path, _record(1, 3.0), _record(2, 4.0))
    path = tmp_path / RECORDS
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    before = path.read_bytes()
    log = TuneLog.load(tmp_path)
    assert len(log.records) == 1
    assert path.read_bytes() == before, "reading changes nothing"
    log.append(_record(2, 6.0))
    assert len(TuneLog.load(tmp_path).records) == 2
    assert path.read_bytes().endswith(b"\n")


def test_a_log_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = _log(tmp_path, _record(1, 3.0))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    for write in (log.save, lambda: TuneLog.load(tmp_path).append(_record(2, 4.0))):
        with pytest.raises(TuneLogError, match=r"cannot be written .No space left on device"):
            write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            PROVENANCE,
            lambda t: t.replace('"kernels": "', '"kernels": "9.'),
            "made with kernels 9",
        ),
        (PROVENANCE, lambda t: t.replace("instructions", "joules"), "metric 'joules'"),
        (PROVENANCE, lambda t: t.replace('"schema": 4', '"schema": 9'), "schema 9"),
        (PROVENANCE, lambda t: t.replace('"unit"', '"units"'), "lacks unit"),
        (PROVENANCE, lambda t: t[:50], "cannot be read"),
        (PROVENANCE, lambda t: t.replace('"name": "rpi4"', '"nam": 1'), "name and core"),
        (RECORDS, lambda t: t[: len(t) // 2] + "\n", "is damaged"),
        (WORKLOADS, lambda t: t[:100] + "\n", "is damaged"),
        (RECORDS, lambda t: t.replace("[3]", "[]"), "has no cost"),
        (RECORDS, lambda t: t.replace('"kernel"', '"colonel"'), "is damaged"),
    ],
)
def test_damaged_logs_are_refused_in_one_line(
    tmp_path: Path, name: str, change: Any, message: str
) -> None:
    _log(tmp_path, _record(1, 3.0))
    _damage(tmp_path, name, change)
    with pytest.raises(TuneLogError, match=message) as caught:
        TuneLog.load(tmp_path)
    assert "\n" not in str(caught.value)
    assert check_log(tmp_path).problems == (str(caught.value),)


def test_a_trace_of_somebody_else_is_refused(tmp_path: Path) -> None:
    from edgemnv2.records.workload import KEY_ANNOTATION

    _log(tmp_path, _record(1, 3.0))
    _damage(tmp_path, RECORDS, lambda text: text.replace(KEY_ANNOTATION, "another.task"))
    with pytest.raises(TuneLogError, match=f"has no annotation {KEY_ANNOTATION}"):
        TuneLog.load(tmp_path)


def test_a_log_is_small_and_names_no_path_of_this_machine(tmp_path: Path) -> None:
    _log(tmp_path, *(_record(1, 3.0, task=str(number)) for number in range(20)))
    files = _files(tmp_path)
    assert len(files[WORKLOADS].splitlines()) == 1
    assert len(files[RECORDS]) < 20 * 1000
    spelled = base64.b64decode(json.loads(files[WORKLOADS])[1])
    assert b"Span" not in spelled and b".py" not in spelled


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(TuneLogError, match="not a tuning log"):
        TuneLog.load(tmp_path)
    with pytest.raises(TuneLogError, match="holds no tuning log"):
        log_folders(tmp_path)
    _log(tmp_path, _record(1, 3.0))
    (tmp_path / WORKLOADS).unlink()
    with pytest.raises(TuneLogError, match="is missing"):
        TuneLog.load(tmp_path)


@pytest.mark.parametrize("gone", [(RECORDS,), (WORKLOADS, RECORDS)])
@pytest.mark.parametrize("empty", [False, True])
def test_a_stop_before_the_first_record_leaves_a_log(
    gone: tuple[str, ...], empty: bool, tmp_path: Path
) -> None:
    _log(tmp_path, _record(1, 3.0))
    for name in gone:
        (tmp_path / name).unlink()
        if empty:
            (tmp_path / name).touch()
    log = TuneLog.load(tmp_path)
    assert log.records == ()
    log.append(_record(2, 4.0))
    assert len(TuneLog.load(tmp_path).records) == 1


def test_check_finds_what_loads_but_is_wrong(tmp_path: Path) -> None:
    log = TuneLog.create(tmp_path / "rpi4", TARGET, "instructions")
    log.append(_record(1, 3.0))
    log.save()
    assert "names no session" in "\n".join(check_log(tmp_path / "rpi4").problems)
    assert log_folders(tmp_path) == (tmp_path / "rpi4",)


@pytest.mark.parametrize("cost", ["0", "-5", "[3,0]"])
def test_no_reader_takes_a_cost_that_is_none(tmp_path: Path, cost: str) -> None:
    """What `logs check` calls wrong, `logs show` and a compilation refuse as well."""
    _log(tmp_path, _record(1, 3.0))
    costs = cost if cost.startswith("[") else f"[{cost}]"
    _damage(tmp_path, RECORDS, lambda text: text.replace("[3]", costs))
    for read in (TuneLog.load, log_summary):
        with pytest.raises(TuneLogError, match=r"record 0 costs .*expected more than 0"):
            read(tmp_path)
    assert "expected more than 0" in check_log(tmp_path).problems[0]


class _Cuts:
    """Copies of a folder as a kill before each of its file operations would leave it."""

    def __init__(self, folder: Path, copies: Path) -> None:
        self.folder, self.copies = folder, copies
        self.made: list[Path] = []
        self.on = False
        sys.addaudithook(self._seen)

    def _seen(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on or event not in ("os.rename", "os.rmdir", "os.remove", "os.mkdir"):
            return
        self.on = False
        copy = self.copies / str(len(self.made))
        shutil.copytree(self.folder, copy)
        self.made.append(copy)
        self.on = True


@pytest.mark.parametrize("kind", ["pruned", "emptied", "over another log"])
def test_a_kill_while_a_log_is_written_anew_leaves_the_old_or_the_new(
    tmp_path: Path, kind: str
) -> None:
    """An export has a workload for each task, so that records of one say nothing beside another."""
    folder = tmp_path / "log"
    _log(tmp_path / "one", _record(1, 3.0), _record(2, 4.0), _record(1, 2.0, task="b"))
    _log(tmp_path / "other", _record(4, 9.0, task="c"), session=1)
    export_log(tmp_path / "one", folder)
    old = TuneLog.load(folder)
    old.stamp("net", {old.records[-1].id: "code"})
    old.write_header()
    cuts = _Cuts(folder, tmp_path)
    if kind == "over another log":
        cuts.on = True
        new = merge_logs([tmp_path / "other"], folder)
    else:
        new = TuneLog.load(folder)
        if kind == "pruned":
            new.prune(1)
        else:
            new.drop(new.task_keys()[0])
            new.drop(new.task_keys()[0])
        cuts.on = True
        new.save()
    cuts.on = False
    assert len(cuts.made) >= 5
    taken = set()
    for copy in cuts.made:
        found = TuneLog.load(copy)
        expected = new if found.records == new.records else old
        assert (found.records, found.header) == (expected.records, expected.header)
        taken.add(expected is new)
        found.append(_record(4, 7.0, task="d"))
        found.save()
        assert len(TuneLog.load(copy).records) == len(expected.records) + 1
        assert sorted(_files(copy)) == sorted(path.name for path in copy.iterdir()), "drafts stay"
    assert taken == {True, False}
    assert TuneLog.load(folder).records == new.records


def test_an_export_answers_metaschedules_queries_by_task(tmp_path: Path) -> None:
    from tvm.s_tir.meta_schedule.database import JSONDatabase

    from edgemnv2.records.workload import workload_of

    one, other = _record(1, 3.0), _record(2, 2.0, task="b")
    _log(tmp_path / "a", one, other)
    export_log(tmp_path / "a", tmp_path / "b")
    database = JSONDatabase(str(tmp_path / "b" / WORKLOADS), str(tmp_path / "b" / RECORDS))
    for record in (one, other):
        workload = database.commit_workload(workload_of(record.key))
        (top,) = database.get_top_k(workload, 9)
        assert float(top.run_secs[0]) == record.cost
    assert TuneLog.load(tmp_path / "b").records == TuneLog.load(tmp_path / "a").records
    with pytest.raises(TuneLogError, match="has a database already"):
        export_log(tmp_path / "a", tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(TuneLogError, match="cannot be written"):
        export_log(tmp_path / "a", tmp_path / "file")


WRITER = """
import random, sys, time
from pathlib import Path
from tests.records.test_log import SESSION, TARGET, _record
from edgemnv2.records.log import TuneLog
from edgemnv2.records.files import PROVENANCE
number, folder = int(sys.argv[1]), Path(sys.argv[2])
chance = random.Random(number)
log = TuneLog.load(folder) if (folder / PROVENANCE).exists() else None
log = log or TuneLog.create(folder, TARGET, "instructions")
log.add_session({**SESSION, "seed": number})
for index in range(25):
    log.append(_record(1, 1000.0 * number + index + 1, task=f"{number}-{index}"))
    log.stamp(f"net-{number}", {log.records[-1].id: "code"})
    time.sleep(chance.random() / 100)
    if chance.random() < 0.15:
        log.save()
log.save()
"""


@pytest.mark.parametrize("is_new", [True, pytest.param(False, marks=pytest.mark.slow(ci=True))])
def test_several_writers_of_one_log_lose_nothing(tmp_path: Path, is_new: bool) -> None:
    """Each appends, and now and then writes the folder anew, as `tune` does at its end."""
    folder = tmp_path / "log"
    if not is_new:
        _log(folder, _record(2, 5.0, task="before"))
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(number), str(folder)], cwd=REPOSITORY)
        for number in range(4)
    ]
    assert [writer.wait(300) for writer in writers] == [0] * 4
    log = TuneLog.load(folder)
    tasks = {json.loads(key)["op"] for key in log.task_keys()}
    expected = {f"{number}-{index}" for number in range(4) for index in range(25)}
    assert tasks == expected | (set() if is_new else {"before"})
    assert {s["seed"] for s in log.header["sessions"]} == {0, 1, 2, 3}
    assert set(log.codes) == {f"net-{number}" for number in range(4)}
    assert len((folder / WORKLOADS).read_text().splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [RECORDS, WORKLOADS, PROVENANCE]
    )


def test_what_one_dropped_stays_dropped_and_what_another_measured_anew_stays(
    tmp_path: Path,
) -> None:
    old, kept = _record(1, 9.0), _record(4, 1.0, task="b")
    _log(tmp_path, old, kept)
    mine, other = TuneLog.load(tmp_path), TuneLog.load(tmp_path)
    mine.drop(old.key)
    mine.append(_record(2, 3.0))
    other.append(_record(4, 4.0))
    other.save()
    mine.save()
    found = {(r.key, r.decisions["mr"]) for r in TuneLog.load(tmp_path).records}
    assert found == {(old.key, 2), (old.key, 4), (kept.key, 4)}


def test_a_folder_that_became_another_metrics_meanwhile_is_refused(tmp_path: Path) -> None:
    mine = TuneLog.create(tmp_path, TARGET, "seconds")
    _log(tmp_path, _record(1, 9.0))
    with pytest.raises(TuneLogError, match="metric is instructions, but seconds"):
        mine.append(_record(2, 3e-6))
    assert [r.cost for r in TuneLog.load(tmp_path).records] == [9.0]
