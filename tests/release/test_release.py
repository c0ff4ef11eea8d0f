"""A wheel from the sdist is the wheel from the checkout, and nothing else is in either."""

from __future__ import annotations

import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.release.__main__ import main
from tests.release.built import REPOSITORY, Built, build, wheel_of


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    pytest.importorskip("hatchling")
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(autouse=True)
def tools(require_module: Callable[[str], None]) -> None:
    require_module("hatchling")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_sdist_makes_the_same_wheel(built: Built, tmp_path: Path) -> None:
    assert contents(wheel_of(built.sdist, tmp_path)) == contents(built.wheel)


def test_two_builds_are_byte_identical(built: Built, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert again.wheel.read_bytes() == built.wheel.read_bytes()
    assert again.sdist.read_bytes() == built.sdist.read_bytes()


def test_the_wheel_holds_the_package_alone(built: Built) -> None:
    tops = {name.split("/")[0].partition("-")[0] for name in built.wheel_names}
    assert tops == {"edgemnv2"}
    odd = [x for x in built.wheel_names if "__pycache__" in x or x.endswith((".pyc", ".orig"))]
    assert not odd
    assert "edgemnv2/lab/train_digits.py" in built.wheel_names


def test_the_sdist_holds_what_a_user_builds_and_tests_with(built: Built) -> None:
    names = set(built.sdist_names)
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"} <= names
    assert "tests/release/test_release.py" in names and "targets/rpi4.toml" in names
    assert not [x for x in names if x.startswith((".venv", "build/", "shared"))]


def test_an_upper_bound_has_its_reason() -> None:
    """A bound that nothing needs keeps users from a combination that would work."""
    text = (REPOSITORY / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    lines = text.splitlines()
    for requirement in [*project["dependencies"], project["requires-python"]]:
        if "<" not in requirement and "==" not in requirement:
            continue
        (number,) = [i for i, line in enumerate(lines) if f'"{requirement}"' in line]
        # A comment above, or it is the version that kernels and logs are made with.
        assert "#" in lines[number - 1] or requirement.startswith("apache-tvm=="), requirement


@pytest.mark.slow
def test_this_python_installs_it_and_runs_the_main_job() -> None:
    """Needs a network; `python -m tests.release --python ...` takes others."""
    assert main(["--python", sys.executable]) == 0
