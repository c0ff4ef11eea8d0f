"""llvm-mca is found under any number, the newest wins, and an old one is refused by its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.errors import RunnerError
from edgemnv2.runners.llvm_tools import LLVM_PACKAGE, LlvmTools, find_llvm_tools


def install(folder: Path, suffix: str, version: str, *, with_mc: bool = True) -> None:
    for name in ("llvm-mca", "llvm-mc")[: 1 + with_mc]:
        program = folder / f"{name}{suffix}"
        program.write_text(f"#!/bin/sh\necho Debian LLVM version {version}\n")
        program.chmod(0o755)


@pytest.fixture
def only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_the_newest_is_taken(only: Path) -> None:
    install(only, "", "19.1.7")
    install(only, "-22", "22.1.8")
    install(only, "-9", "9.0.1")
    assert find_llvm_tools() == LlvmTools(
        str(only / "llvm-mca-22"), str(only / "llvm-mc-22"), "22.1.8"
    )


def test_one_without_its_disassembler_does_not_count(only: Path) -> None:
    install(only, "-22", "22.1.8", with_mc=False)
    install(only, "-19", "19.1.7")
    assert find_llvm_tools().version == "19.1.7"


def test_an_old_one_or_none_is_refused_with_the_package(only: Path) -> None:
    with pytest.raises(RunnerError, match=f"not installed .*apt install {LLVM_PACKAGE}"):
        find_llvm_tools()
    install(only, "-14", "14.0.6")
    with pytest.raises(RunnerError, match=f"LLVM 14.0.6 .*apt install {LLVM_PACKAGE}"):
        find_llvm_tools()
