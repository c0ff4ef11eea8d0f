"""`edgemnv2 targets` at every width of a screen; piped, the table is whole."""

from __future__ import annotations

import os
import re

import pytest

from edgemnv2.cli import targets
from edgemnv2.cli.main import main
from edgemnv2.target import load_target, target_names


def _printed(
    columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    monkeypatch.setattr(targets, "_is_screen", lambda: columns is not None)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((columns or 0, 24)))
    assert main(["targets"]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("columns", [80, 90, 100, 120, 132, 160, 200])
def test_no_line_is_wider_than_the_screen_and_every_word_is_there(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _printed(columns, monkeypatch, capsys)
    assert max(map(len, lines)) <= columns
    found: dict[str, str] = {}
    name = ""
    for line in lines[1:]:
        if not line.startswith(" "):
            name = line.split()[0]
        found[name] = f"{found.get(name, '')} {line}"
    assert list(found) == list(target_names())
    for name, text in found.items():
        words = load_target(name).description.split()
        assert re.sub(r"\s+", " ", text).split()[-len(words) :] == words, name


def test_a_pipe_gets_a_line_a_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = _printed(None, monkeypatch, capsys)
    assert len(lines) == 1 + len(target_names())
    assert lines[0].split() == ["name", "core", "features", "RAM", "flash", "runner", "what"]
