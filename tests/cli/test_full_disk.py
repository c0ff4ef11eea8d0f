"""A full disk: a sentence that says so, exit code 1, nothing half made."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgemnv2.cli.main import main
from edgemnv2.tuner import manage
from tests.test_architecture import PACKAGE

LOG = PACKAGE.parent / "tune_logs" / "mps3-an547"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("verb", ["paper", "targets"])
def test_output_that_is_redirected_to_a_full_disk(verb: str) -> None:
    """More than Python keeps before it writes, and less."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "edgemnv2", verb],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        )
    why = "output cannot be written (No space left on device)"
    assert (done.returncode, done.stderr) == (1, f"edgemnv2 {verb}: {why}\n")


def test_an_export_is_whole_or_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(folder: Path, records: object) -> None:
        (folder / "database_workload.json").write_text("[")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(manage, "write_database", half)
    assert main(["logs", "export", str(LOG), "-o", str(tmp_path / "out")]) == 1
    assert "out: cannot be written (No space left on device)\n" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_messages_name_a_file_once() -> None:
    """`{error}` of an OSError is `[Errno 2] No such file or directory: 'name'`; `reason` is not."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if {"lab", "runtime"} & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and node.type is not None and node.name:
                caught = {ast.unparse(x) for x in ast.walk(node.type) if isinstance(x, ast.expr)}
                told = any(
                    isinstance(x, ast.FormattedValue) and ast.unparse(x.value) == node.name
                    for x in ast.walk(node)
                )
                if told and caught & {"OSError", "FileNotFoundError", "PermissionError"}:
                    found.append(f"{path.name}:{node.lineno}")
    assert not found
