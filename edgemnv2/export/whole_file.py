"""A file that is there as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from edgemnv2.errors import UsageError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes, argument: str) -> None:
    """All of a file or none of it; `argument` names it in the UsageError where that fails.

    What is there and no file, a device or a pipe, is written to as it is, never replaced.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise UsageError(
            f"{argument}={path}: {error.strerror}, expected a file that can be written"
        ) from error
    finally:
        # Still there after a failure, or Ctrl-C.
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
