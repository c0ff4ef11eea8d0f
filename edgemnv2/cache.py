"""The one folder for what can be made again: the emulator's plugins, calibrated networks."""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """`$EDGEMNV2_CACHE`, else `edgemnv2` in `$XDG_CACHE_HOME` or `~/.cache`; it exists.

    Where it cannot be made (no home, a read-only one), a folder that lives as long as this process:
    plugins are loaded from it, so it must not be one that somebody else could have filled.
    """
    own = os.environ.get("EDGEMNV2_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "edgemnv2"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: nobody knows where home is
        return _of_this_process()
    return folder if os.access(folder, os.W_OK) else _of_this_process()


@cache
def _of_this_process() -> Path:
    temporary = tempfile.TemporaryDirectory(prefix="edgemnv2-cache-")
    _kept.append(temporary)
    return Path(temporary.name)


_kept: list[tempfile.TemporaryDirectory[str]] = []
"""Removed at exit."""
