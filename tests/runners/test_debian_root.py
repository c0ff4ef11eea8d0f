"""Packages of another architecture come whole or not at all, and say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemnv2.errors import RunnerError
from edgemnv2.runners.debian_root import TOOLS, fetch_packages

APT = """#!/bin/sh
case "$*" in
  *update*) exit {update} ;;
  *simulate*) echo "Inst libc6 (2.36)"; echo "Inst prog (1.0)" ;;
  *depends*) echo "  Depends: linux-image-6" ;;
  *download*) for name; do case $name in -*|download) ;; *) echo x > $name.deb ;; esac; done ;;
esac
"""
UNPACK = '#!/bin/sh\nmkdir -p "$3/usr"; basename "$2" >> "$3/usr/unpacked"\n'


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with an apt that has two packages."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).write_text(UNPACK if tool == "dpkg-deb" else APT.format(update=0))
        (folder / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_all_that_a_program_needs_is_unpacked_once(system: Path, tmp_path: Path) -> None:
    folder = fetch_packages(tmp_path / "root", "arm64", ["prog"], metas=["linux-image"])
    names = (folder / "root/usr/unpacked").read_text().split()
    assert sorted(names) == ["libc6.deb", "linux-image-6.deb", "prog.deb"]
    (system / "apt-get").unlink()
    assert fetch_packages(folder, "arm64", ["prog"]) == folder
    assert (folder / "root/usr/unpacked").read_text().split() == names


def test_a_mirror_that_does_not_answer_leaves_nothing_that_looks_complete(
    system: Path, tmp_path: Path
) -> None:
    (system / "apt-get").write_text(APT.format(update=100))
    with pytest.raises(RunnerError, match="packages cannot be had"):
        fetch_packages(tmp_path / "root", "arm64", ["prog"])
    assert not (tmp_path / "root" / "complete").exists()


def test_a_system_without_apt_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match="apt-get is not on this machine"):
        fetch_packages(tmp_path / "root", "arm64", ["prog"])
