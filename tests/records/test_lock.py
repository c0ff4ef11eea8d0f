"""One process at a time in a folder of a log."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from edgemnv2.records import lock
from edgemnv2.records.lock import LOCK_FILE, locked


def test_whoever_comes_waits(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with locked(tmp_path):
            order.append("second")

    with locked(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_windows_locks_a_byte_of_a_file_and_frees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for its module: no Windows is at hand."""
    asked: list[tuple[int, int]] = []
    windows = ModuleType("msvcrt")
    windows.LK_LOCK, windows.LK_UNLCK = 1, 0  # type: ignore[attr-defined]
    windows.locking = lambda file, mode, count: asked.append((mode, count))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", windows)
    with monkeypatch.context() as patch:
        patch.setattr(lock.sys, "platform", "win32")
        with locked(tmp_path):
            assert asked == [(1, 1)] and (tmp_path / LOCK_FILE).is_file()
    assert asked == [(1, 1), (0, 1)]


def test_an_error_inside_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"), locked(tmp_path):
        raise ValueError("inside")
    with locked(tmp_path):
        pass
