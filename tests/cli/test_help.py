"""The help of every verb, word for word."""

from __future__ import annotations

import re

import pytest

from edgemnv2.cli.main import VERBS, make_parser
from tests.golden_files import Golden


def help_of(verb: str | None) -> str:
    """The text of `--help`, in the form of Python 3.11 whatever Python runs this.

    Later ones write an option's metavar once (`-o, --output DIR`) and break usage lines elsewhere.
    """
    parser = make_parser([verb] if verb else [])
    if verb is not None:
        commands = next(a for a in parser._actions if a.dest == "verb").choices
        assert commands is not None
        parser = commands[verb]
    text = parser.format_help()
    usage, rest = text.split("\n\n", 1)
    rest = re.sub(r"(-\w) (\S+), (--[\w-]+) \2(?=\s)", r"\1, \3 \2", rest)
    # One line an option: where its text begins depends on the longest option, and so do the breaks.
    rest = re.sub(r"\n {8,}(?=\S)", " ", rest)
    rest = re.sub(r"(?<=\S) +", " ", rest)
    return " ".join(usage.split()) + "\n\n" + rest


@pytest.mark.parametrize("verb", VERBS)
def test_help(verb: str, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    text = help_of(verb)
    assert "%%" not in text, "a per cent sign is doubled in an argument's own help alone"
    golden.check(text, ".txt")


def test_help_of_all(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    golden.check(help_of(None), ".txt")
