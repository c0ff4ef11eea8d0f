"""A file is there as a whole or not at all; what is no file is never replaced by one."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from edgemnv2.cli.main import main
from edgemnv2.errors import UsageError
from edgemnv2.export.whole_file import check_writable, write_whole


def test_a_file_is_replaced_and_nothing_else_left(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    for content in (b"old", b"new"):
        write_whole(path, content, "output")
        assert path.read_bytes() == content
    assert [x.name for x in tmp_path.iterdir()] == ["page.html"]


def test_a_folder_and_a_missing_one_are_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "absent/page.html"):
        with pytest.raises(UsageError, match=f"output={path}: .*expected a file that can be"):
            write_whole(path, b"x", "output")
    assert [x.name for x in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_whole(path, b"page", "output")
    reader.join()
    assert read == [b"page"] and stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_a_device_stays_one() -> None:
    """Even for root, who could put a file in its place."""
    with pytest.raises(UsageError, match="output=/dev/full: No space left on device"):
        write_whole(Path("/dev/full"), b"page", "output")
    assert Path("/dev/full").is_char_device()


def test_what_cannot_be_written_is_told_before_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "there").write_bytes(b"old")
    for path in (tmp_path / "folder", tmp_path / "absent/page.html"):
        with pytest.raises(UsageError, match=f"output={path}: .*expected a file that can be"):
            check_writable(path, "output")
    for name in ("there", "new"):
        check_writable(tmp_path / name, "output")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["folder", "there"]
    assert (tmp_path / "there").read_bytes() == b"old"


@pytest.mark.parametrize(
    "words",
    [
        ["quantize", "absent.onnx", "--random", "2", "-o", "FILE.onnx"],
        ["quantize", "absent.onnx", "--random", "2", "-o", "q.onnx", "--report", "FILE.html"],
        ["analyze", "absent.onnx", "--plot", "FILE.svg"],
        ["paper", "--plot", "FILE.svg"],
    ],
    ids=lambda words: " ".join(words),
)
def test_no_work_is_done_for_a_file_that_cannot_be_written(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    taken = next(word for word in words if word.startswith("FILE"))
    Path(taken).mkdir()
    # The model, which is not there either, would be the next to be told.
    assert main(words) == 2
    captured = capsys.readouterr()
    assert f"{taken}: Is a directory, expected a file that can be written" in captured.err
    assert not captured.out and captured.err.count("\n") == 1
