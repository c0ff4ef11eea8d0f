"""Every pass has a file of tests, and a place in the list."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgemnv2.passes

FOLDER = Path(edgemnv2.passes.__file__).parent
PASSES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")
# Run by compile where it is asked for, not by `lower`.
ASKED_FOR = {"share_channels", "split_phases", "to_float16"}


@pytest.mark.parametrize("name", PASSES)
def test_it_has_tests(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


@pytest.mark.parametrize("name", sorted({*PASSES} - ASKED_FOR))
def test_it_is_in_the_list(name: str) -> None:
    assert f" {name}(" in (FOLDER / "__init__.py").read_text()
