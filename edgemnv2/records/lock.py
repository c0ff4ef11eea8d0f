"""One process at a time in a folder, on POSIX systems and on Windows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["locked"]

LOCK_FILE = ".lock"
"""On Windows, where a folder itself cannot be locked."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, nobody else is in a block of this kind for `folder`; whoever comes waits.

    Some network file systems have no locks; there, as before, one writer at a time.
    """
    if sys.platform == "win32":
        with (folder / LOCK_FILE).open("a+b") as file:
            import msvcrt

            # The first byte, which need not be there.
            file.seek(0)
            # Waits for up to ten seconds, then raises OSError: as on file systems without locks.
            with suppress(OSError):
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            try:
                yield
            finally:
                with suppress(OSError):
                    file.seek(0)
                    msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
