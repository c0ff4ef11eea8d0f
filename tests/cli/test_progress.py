"""What is said while one waits: on a terminal one line that changes, elsewhere a line a stage."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.cli.main import main
from edgemnv2.cli.progress import LINES, Bar, Stages

MODEL = "mobilenetv2-0.35-32-int8"


def test_a_stage_is_a_line_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Stages("compile") as stages:
        for stage in ("import", "plan memory"):
            stages.enter(stage)
    captured = capsys.readouterr()
    assert captured.err == "compile: import\ncompile: plan memory\n" and captured.out == ""


def test_a_long_bar_is_ten_lines_with_its_begin_and_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Bar("verify", "sample") as bar:
        bar.stage("load")
        for done in range(1001):
            bar.note("so far so good")
            bar.update(done, 1000, "one")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES + 2
    assert lines[:2] == ["verify: load", "verify: sample 0 of 1000, one, so far so good"]
    assert lines[-1] == "verify: sample 1000 of 1000, one, so far so good"


def test_analyze_says_what_it_plans(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", MODEL, "--json"]) == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert lines[:2] == ["analyze: import", "analyze: lower"] and len(lines) > 4
    assert all(line.startswith("analyze: plan memory for ") for line in lines[2:])
    assert captured.out.startswith("{") and captured.out.count("\n") == 1


def test_compile_and_verify_say_where_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], require_tool: Callable[[str], str]
) -> None:
    require_tool("arm-none-eabi-gcc")
    require_tool("qemu-system-arm")
    assert main(["compile", MODEL, "--target", "mps2-an386", "-o", str(tmp_path / "net")]) == 0
    said = capsys.readouterr().err
    stages = ["import", "lower", "schedule", "plan memory", "generate code", "write"]
    assert said.splitlines()[: len(stages)] == [f"compile: {stage}" for stage in stages]
    assert main(["verify", str(tmp_path / "net"), "--random", "2"]) == 0
    said = capsys.readouterr().err
    assert said == "verify: sample 0 of 2\nverify: sample 2 of 2\n"


def test_on_a_terminal_no_line_stays() -> None:
    code = (
        "from edgemnv2.cli.progress import Bar, Stages\n"
        "with Stages('compile') as stages:\n    stages.enter('import')\n"
        "with Bar('verify', 'sample') as bar:\n    bar.stage('load')\n"
        "    bar.note('good')\n    bar.update(3, 3, 'one')\n"
    )
    main_end, terminal = pty.openpty()
    # A new one has no columns at all.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run([sys.executable, "-c", code], stderr=terminal, check=True)
    assert select.select([main_end], [], [], 0)[0], "nothing was said"
    said = os.read(main_end, 65536).decode()
    os.close(terminal)
    os.close(main_end)
    assert "compile: import" in said and "verify: load" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    "wrong",
    [["--trials", "0"], ["--strategy", "luck"], ["--runner", "none"], ["--rpc-tracker", "nowhere"]],
    ids=lambda words: words[0],
)
def test_a_tuning_that_fails_leaves_no_folder(
    wrong: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "logs" / "mine"
    words = ["tune", MODEL, "--target", "mps2-an386", "--log-dir", str(folder)]
    try:
        assert main([*words, *wrong]) in (1, 2)
    except SystemExit as stop:
        assert stop.code == 2
    assert main(["tune", "none.tflite", *words[2:]]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    words = ["tune", "none.tflite", "--target", "mps2-an386", "--log-dir"]
    assert main([*words, str(folder)]) == 1
    assert main([*words, str(folder / "new")]) == 1
    assert folder.is_dir() and list(folder.iterdir()) == []
