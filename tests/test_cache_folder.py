"""One folder for what can be made again, wherever the user wants it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edgemnv2.cache import cache_folder


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EDGEMNV2_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_the_users_wish_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "home" / ".cache" / "edgemnv2"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "edgemnv2"
    monkeypatch.setenv("EDGEMNV2_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert (tmp_path / "own").is_dir()


def test_where_there_can_be_none_it_is_this_processs_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGEMNV2_CACHE", str(tmp_path / "file" / "cache"))
    folder = cache_folder()
    assert folder == cache_folder() and stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_everything_that_is_kept_is_kept_there() -> None:
    """No module works out a place of its own."""
    package = Path(__file__).resolve().parents[1] / "edgemnv2"
    asking = [p for p in package.rglob("*.py") if "XDG_CACHE" in p.read_text()]
    assert [path.name for path in asking] == ["cache.py"]
