"""Where a figure comes from: versions, machine and date, stamped on logs and results.

Never part of an artefact, whose bytes depend on the input alone.
"""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["cpu_model", "provenance", "version_of"]

# Distributions whose version can change a result.
_PACKAGES = ("edgemnv2", "apache-tvm", "apache-tvm-ffi", "numpy")


def version_of(distribution: str) -> str:
    """Installed version of a distribution, "" if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def cpu_model() -> str:
    """This machine's processor as its kernel names it, or the instruction set."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model") and value.strip():
            return value.strip()
    return platform.machine()


def provenance(**more: Any) -> dict[str, Any]:
    """Versions, machine and date (UTC, ISO 8601, whole seconds), and whatever the caller adds."""
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return {
        "date": now.isoformat(),
        "versions": {name: version_of(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "machine": {
            "isa": platform.machine(),
            "cpu": cpu_model(),
            "cores": os.cpu_count() or 1,
            "system": f"{platform.system()} {platform.release()}",
        },
        **more,
    }
