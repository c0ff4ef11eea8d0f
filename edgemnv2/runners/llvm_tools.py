"""LLVM's disassembler and its model of cores, `llvm-mca`: found, the newest of them.

Debian calls them `llvm-mca-22`; they come with the package `llvm-22`, others without a number.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgemnv2.errors import RunnerError

__all__ = ["LLVM_PACKAGE", "LlvmTools", "find_llvm_tools"]

LLVM_PACKAGE = "llvm-22"
# The first that can leave out what it cannot read (--skip-unsupported-instructions).
_OLDEST = 19


@dataclass(frozen=True)
class LlvmTools:
    """Paths of `llvm-mca` and `llvm-mc` of one LLVM, and its version, such as "22.1.8"."""

    mca: str
    mc: str
    version: str

    @property
    def is_usable(self) -> bool:
        """Whether it is new enough."""
        return int(self.version.split(".")[0]) >= _OLDEST


def find_llvm_tools() -> LlvmTools:
    """The newest in PATH; RunnerError names the package where there is none, or an old one only."""
    found = _installed()
    if not found:
        raise RunnerError(f"cycles: llvm-mca is not installed (apt install {LLVM_PACKAGE})")
    newest = max(found, key=lambda tools: [int(part) for part in tools.version.split(".")])
    if not newest.is_usable:
        raise RunnerError(
            f"cycles: {newest.mca} is of LLVM {newest.version} (needs {_OLDEST} or newer: "
            f"apt install {LLVM_PACKAGE})"
        )
    return newest


def _installed() -> list[LlvmTools]:
    found: dict[str, LlvmTools] = {}
    for folder in map(Path, os.environ.get("PATH", "").split(os.pathsep)):
        for mca in sorted(folder.glob("llvm-mca*")):
            suffix = re.fullmatch(r"llvm-mca(-\d+)?", mca.name)
            mc = folder / f"llvm-mc{suffix[1] or ''}" if suffix else mca
            if suffix is None or mca.name in found or not os.access(mc, os.X_OK):
                continue
            version = _version(mca)
            if version:
                found[mca.name] = LlvmTools(str(mca), str(mc), version)
    return list(found.values())


def _version(program: Path) -> str:
    """What it says of itself; "" for what is no LLVM or does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True)
    except OSError:
        return ""
    match = re.search(r"LLVM version (\d+(?:\.\d+)*)", done.stdout)
    return match[1] if match else ""
