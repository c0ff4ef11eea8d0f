"""The wheel holds everything that the checkout has: an installed package needs no repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemnv2.version import __version__

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(REPOSITORY)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_wheel_has_all_data_files(wheel: Path, require_module: Callable[[str], None]) -> None:
    require_module("hatchling")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("targets", "tune_logs"):
        for path in (REPOSITORY / folder).rglob("*.*"):
            assert f"edgemnv2/_data/{path.relative_to(REPOSITORY).as_posix()}" in inside
    for pattern in ("runtime/**/*.[ch]", "samples/data/*.onnx", "report/*.css"):
        for path in (REPOSITORY / "edgemnv2").glob(pattern):
            assert path.relative_to(REPOSITORY).as_posix() in inside
    assert any(name.endswith("/licenses/LICENSE") for name in inside)
    assert "edgemnv2/py.typed" in inside, "type checkers of users read our annotations"


def test_the_version_is_written_in_one_place(wheel: Path) -> None:
    """The wheel's metadata has it from the package, and so has every other file that says it."""
    (metadata,) = (n for n in zipfile.ZipFile(wheel).namelist() if n.endswith("/METADATA"))
    text = zipfile.ZipFile(wheel).read(metadata).decode()
    assert f"\nVersion: {__version__}\n" in text
    tracked = subprocess.run(
        ["git", "grep", "-lE", f"version.*{re.escape(__version__)}", "--", "*.py", "*.toml"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert tracked.stdout.split() == ["edgemnv2/version.py"]


def test_the_changelog_has_this_version_and_what_is_unreleased() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", text, re.MULTILINE)
    assert headings[:2] == ["Unreleased", __version__]


def test_installed_package_finds_its_targets(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = (
        "import edgemnv2, edgemnv2.target as t;"
        "print(edgemnv2.__file__, len(t.target_names()), t.load_target('rpi4').cpu.core)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    count = len(list((REPOSITORY / "targets").glob("*.toml")))
    assert done.stdout.split() == [f"{tmp_path}/edgemnv2/__init__.py", str(count), "cortex-a72"]
