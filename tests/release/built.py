"""Builds of the package, and fresh environments that have nothing but them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["REPOSITORY", "Built", "build", "environment", "main_job", "wheel_of"]

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Built:
    """The two files of a release."""

    wheel: Path
    sdist: Path

    @property
    def wheel_names(self) -> list[str]:
        """What is in the wheel, sorted."""
        return sorted(zipfile.ZipFile(self.wheel).namelist())

    @property
    def sdist_names(self) -> list[str]:
        """What is in the sdist, below its folder, sorted."""
        with tarfile.open(self.sdist) as archive:
            return sorted(m.name.partition("/")[2] for m in archive.getmembers() if m.isfile())


def run(command: Sequence[str | Path], folder: Path, **variables: str) -> str:
    """What a command says; AssertionError with its end where it fails."""
    outside = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={**outside, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}: {(done.stdout + done.stderr)[-3000:]}"
    return done.stdout


def build(folder: Path) -> Built:
    """Wheel and sdist of this checkout, by its own build back end."""
    run([sys.executable, "-m", "hatchling", "build", "-d", folder], REPOSITORY)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Built(wheel, sdist)


def wheel_of(sdist: Path, folder: Path) -> Path:
    """The wheel that pip makes of an sdist, with the tools that are here."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    run([*command, "--no-build-isolation", "--wheel-dir", folder, sdist], folder)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(python: str | Path, folder: Path, package: Path) -> Path:
    """The `bin` of a new environment of `python` with a release and what it depends on."""
    run([python, "-m", "venv", folder], folder.parent)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet"]
    run([*pip, "--disable-pip-version-check", package], folder.parent)
    return folder / "bin"


def main_job(binaries: Path, folder: Path) -> str:
    """Compile and verify outside of the checkout; what `verify` says."""
    command = binaries / "edgemnv2"
    where = run([binaries / "python", "-c", "import edgemnv2; print(edgemnv2.__file__)"], folder)
    assert Path(where.strip()).is_relative_to(binaries.parent), where
    run([command, "compile", "digits", "--target", "host", "-o", "net"], folder)
    said = run([command, "verify", "net", "--random", "2"], folder)
    assert "PASSED" in said
    run([binaries / "python", "-m", "pip", "check", "--disable-pip-version-check"], folder)
    return said
