"""Folders that are filled beside their final place, and renamed into it when they are whole.

Whoever is killed leaves such a draft behind. Its owner holds a lock on it as long as it lives, so
that the next run knows the drafts of the dead, and clears them away.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

__all__ = ["MARK", "draft_folder"]

MARK = "edgemnv2-"
"""In a draft's name, so that nothing else is taken for one."""


@contextmanager
def draft_folder(output: Path) -> Iterator[Path]:
    """A new hidden folder beside `output`; what is still there of it in the end is removed.

    Raises OSError where there can be none.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{output.name}.{MARK}"
    for other in sorted(output.parent.glob(f"{_escaped(prefix)}*")):
        _clear(other)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
    lock = _locked(folder)
    try:
        folder.chmod(0o755)  # mkdtemp makes it private
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _escaped(name: str) -> str:
    """What a pattern has for it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _clear(folder: Path) -> None:
    """Remove the draft of a dead process. An empty one may have an owner who locks it just now."""
    try:
        if folder.is_symlink() or not any(folder.iterdir()):
            return
    except OSError:
        return
    lock = _locked(folder)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _locked(folder: Path) -> int | None:
    """The folder, open and locked; None where another process has it, or there are no locks."""
    if sys.platform == "win32" or find_spec("fcntl") is None:
        return None  # no such locks: what is left there stays
    import fcntl

    try:
        opened = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return None
    return opened
