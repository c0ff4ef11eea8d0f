"""A file that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from edgemnv2.errors import UsageError

__all__ = ["check_writable", "expect_not_read", "write_whole"]


def expect_not_read(path: Path, argument: str, read: Iterable[Path | None]) -> None:
    """UsageError where `path` is one of the files `read`, by whatever name: it would be lost."""
    for file in read:
        # A device or a pipe keeps nothing.
        if file is not None and file.is_file() and path.exists() and path.samefile(file):
            raise UsageError(
                f"{argument}={path}: would be written over {file}, which is read (choose another)"
            )


def check_writable(path: Path, argument: str, read: Iterable[Path | None] = ()) -> None:
    """UsageError, as of `write_whole`, before the work whose result would be lost.

    So, too, for one of the files `read`. Nothing is left behind, and what is there stays.
    """
    expect_not_read(path, argument, read)
    partial = _partial(path)
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not path.exists() or path.is_file():
            partial.write_bytes(b"")
        elif not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _refusal(path, argument, error) from error
    finally:
        _remove(partial)


def write_whole(path: Path, data: bytes, argument: str) -> None:
    """All of a file or none of it; `argument` names it in the UsageError where that fails.

    What is there and no file, a device or a pipe, is written to as it is, never replaced.
    """
    partial = _partial(path)
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise _refusal(path, argument, error) from error
    finally:
        # Still there after a failure, or Ctrl-C.
        _remove(partial)


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _refusal(path: Path, argument: str, error: OSError) -> UsageError:
    return UsageError(f"{argument}={path}: {error.strerror}, expected a file that can be written")


def _remove(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
