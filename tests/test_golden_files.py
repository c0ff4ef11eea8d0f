"""Goldens fail where they should, are written only when asked, and none lies about unused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN, Golden

TESTS = Path(__file__).resolve().parent


def test_another_text_fails_and_shows_the_difference(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("first\nsecond\n")
    golden = Golden(tmp_path / "one", update=False)
    golden.check("first\nsecond\n", ".txt")
    with pytest.raises(AssertionError, match="-second\n\\+changed"):
        golden.check("first\nchanged\n", ".txt")
    assert (tmp_path / "one.txt").read_text() == "first\nsecond\n"


def test_a_golden_that_is_not_there_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"new\.txt is not there: .*--update-golden"):
        Golden(tmp_path / "new", update=False).check("text", ".txt")
    assert list(tmp_path.iterdir()) == []


def test_an_update_writes_and_then_agrees(tmp_path: Path) -> None:
    for text in ("old\n", "new\n"):
        Golden(tmp_path / "folder" / "one", update=True).check(text, ".txt")
    Golden(tmp_path / "folder" / "one", update=False).check("new\n", ".txt")


def test_the_place_is_module_and_test(golden: Golden) -> None:
    assert golden.stem == GOLDEN / "golden_files" / "the_place_is_module_and_test"


def test_every_golden_belongs_to_a_test() -> None:
    files = [path for path in sorted(GOLDEN.rglob("*")) if path.is_file()]
    assert files
    for path in files:
        module = path.parent.relative_to(GOLDEN)
        source = TESTS / module.parent / f"test_{module.name}.py"
        assert source.is_file(), f"{path}: there is no {source}"
        tests = re.findall(r"^def test_(\w+)\(", source.read_text(), re.MULTILINE)
        assert any(path.name.startswith(name) for name in tests), f"{path}: no test makes it"
        text = path.read_text(encoding="utf-8")
        assert str(TESTS.parent) not in text and str(Path.home()) not in text
