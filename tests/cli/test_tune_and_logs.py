"""The verbs tune and logs: keys of the JSON, exit codes, and logs that compile then uses."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from edgemnv2.cli import tune as tune_verb
from edgemnv2.cli.main import main
from edgemnv2.records.log import TuneLog
from edgemnv2.runners import make_runner
from edgemnv2.tuner.boards import board_count
from tests.conftest import missing, tool_problem

MODEL = "digits-int8"
KEYS = ["best_after", "best_before", "curve", "log", "metric", "records", "rejected", "tasks"]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    for tool in ("qemu-system-arm", "arm-none-eabi-gcc"):
        if problem := tool_problem(tool):
            missing(request.config, tool, problem)
    folder = tmp_path_factory.mktemp("tuned")
    command = ["tune", MODEL, "--target", "mps2-an386", "--trials", "2", "--log-dir"]
    said = io.StringIO()
    with redirect_stdout(io.StringIO()) as printed, redirect_stderr(said):
        assert main([*command, str(folder / "log"), "--json"]) == 0
    (folder / "out.json").write_text(printed.getvalue())
    (folder / "said.txt").write_text(said.getvalue())
    return folder


def test_tune_prints_its_keys_and_is_not_worse(tuned: Path) -> None:
    found = json.loads((tuned / "out.json").read_text())
    assert set(KEYS) <= set(found)
    assert found["metric"] == "instructions" and found["best_after"] <= found["best_before"]
    assert found["records"] + found["rejected"] >= found["tasks"]
    assert found["curve"][-1][1] <= found["best_before"]
    session = TuneLog.load(tuned / "log").header["sessions"][0]
    assert session["runner"] == "qemu-system" and session["trials"] == 2


def test_tune_says_a_line_a_round(tuned: Path) -> None:
    lines = (tuned / "said.txt").read_text().splitlines()
    assert lines[0] == "tune: import, and measure the default"
    assert len(lines) > 1
    for line in lines[1:]:
        assert re.fullmatch(r"tune: round \d+ of \d+, .+, best [\d.]+ M instructions, .+", line)


def test_compile_uses_the_log_and_names_its_records(tuned: Path, tmp_path: Path) -> None:
    command = ["compile", MODEL, "--target", "mps2-an386"]
    assert main([*command, "--tune-logs", str(tuned / "log"), "-o", str(tmp_path / "a")]) == 0
    assert main([*command, "--tune-logs", "none", "-o", str(tmp_path / "b")]) == 0

    def schedules(name: str) -> set[str]:
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        return {kernel["schedule"] for kernel in manifest["kernels"]}

    ids = {record.id for record in TuneLog.load(tuned / "log").records}
    assert schedules("a") & ids and not schedules("b") & ids


def test_a_foreign_log_is_refused_with_the_reason(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compile", MODEL, "--target", "mps2-an500", "--tune-logs", str(tuned / "log")]
    assert main([*command, "-o", str(tmp_path / "a")]) == 1
    assert (
        "is a log for mps2-an386 (thumb cortex-m4 dsp), not for mps2-an500"
        in capsys.readouterr().err
    )
    assert not (tmp_path / "a").exists()


def test_a_targets_name_is_the_shipped_log_of_its_core(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, log in (("rpi4", "rpi4"), ("nucleo-h743zi", "mps2-an500"), ("rpi-zero2", "rpi3")):
        assert main(["logs", "show", name, "--json"]) == 0
        (shown,) = json.loads(capsys.readouterr().out)["logs"]
        assert shown["target"]["name"] == log and shown["tasks"]
    assert main(["logs", "show", "rpi9"]) == 1
    assert "rpi9: is neither a folder here nor a target (logs ship for" in capsys.readouterr().err
    assert main(["logs", "show", "rpi3-32"]) == 1
    assert "rpi3-32: no log ships for its core (they do for" in capsys.readouterr().err
    assert main(["logs", "show", "no/such"]) == 1
    assert "no/such: holds no tuning log" in capsys.readouterr().err


def test_logs_shows_checks_merges_prunes_and_exports(
    tuned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(tuned / "log")
    assert main(["logs", "show", log]) == 0
    assert "pointwise" in capsys.readouterr().out
    assert main(["logs", "check", log, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["logs", "merge", log, log, "-o", str(tmp_path / "m")]) == 0
    assert main(["logs", "prune", str(tmp_path / "m")]) == 0
    assert len(TuneLog.load(tmp_path / "m").records) == len(TuneLog.load(Path(log)).task_keys())
    assert main(["logs", "export", str(tmp_path / "m"), "-o", str(tmp_path / "e")]) == 0
    (tmp_path / "m" / "provenance.json").write_text("{}")
    assert main(["logs", "check", str(tmp_path / "m")]) == 1
    assert "lacks codes, metric" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        main(["logs", "burn"])
    assert caught.value.code == 2


def test_ctrl_c_gives_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from edgemnv2.tuner.tuner import TuneResult

    stopped = TuneResult(1, 1, 1, 0, 2.0, 1.0, "seconds", "l", "host", "local", 0, True, ())
    monkeypatch.setattr("edgemnv2.tuner.tuner.tune_graph", lambda *_: stopped)
    command = ["tune", MODEL, "--target", "host", "--log-dir", str(tmp_path)]
    assert main(command) == tune_verb.INTERRUPTED
    printed = capsys.readouterr()
    assert "run it again to go on" in printed.err and "(defaults)" in printed.out


def test_each_board_of_the_tracker_gets_a_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("server:rpi4", "server:rpi4", "server:rpi5")
    summary = {"server_info": [{"key": name} for name in names]}
    monkeypatch.setattr("edgemnv2.runners.tracker.Tracker._ask", lambda *_: summary)
    assert board_count("farm:9190", "rpi4") == 2
    with pytest.raises(Exception, match="no board under key 'rpi3'"):
        board_count("farm:9190", "rpi3")
    with pytest.raises(Exception, match="expected HOST:PORT"):
        board_count("farm", "rpi3")


def test_no_tracker_is_said_at_once(require_module: Callable[[str], None]) -> None:
    require_module("tornado")
    with pytest.raises(Exception, match="no RPC tracker answers"):
        board_count("127.0.0.1:9", "rpi4")
    assert make_runner("local").name == "local"


def test_a_log_that_cannot_be_kept_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "log"
    taken.write_text("mine")
    command = ["tune", "digits", "--target", "host", "--trials", "2", "--log-dir", str(taken)]
    assert main(command) == 2
    assert "--log-dir" in capsys.readouterr().err
    assert taken.read_text() == "mine"
