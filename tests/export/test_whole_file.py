"""A file is there as a whole or not at all; what is no file is never replaced by one."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from edgemnv2.errors import UsageError
from edgemnv2.export.whole_file import write_whole


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
