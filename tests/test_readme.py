"""The README keeps its word: generated tables are current, every command line is a valid one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from edgemnv2.cli.main import VERBS, make_parser
from edgemnv2.lab.results import render_readme

README = Path(__file__).resolve().parent.parent / "README.md"


def commands() -> list[str]:
    """Every `edgemnv2 ...` line of the shell blocks, and those in backquotes."""
    text = README.read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            line = line.split("#", 1)[0].strip()
            if line.startswith("edgemnv2 "):
                found.append(line)
    found += re.findall(r"`(edgemnv2 [^`]*)`", text.replace("\n", " "))
    return found


def test_generated_tables_are_what_code_and_results_say() -> None:
    text = README.read_text(encoding="utf-8")
    assert render_readme(text) == text, "run: python -m edgemnv2.lab.results readme README.md"


def test_readme_has_no_placeholder_left() -> None:
    assert "QUICKSTART_OUTPUT" not in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", commands())
def test_command_lines_of_the_readme_are_valid(command: str) -> None:
    words = shlex.split(command)[1:]
    verb = words[0]
    assert verb in VERBS
    if len(words) > 1:
        make_parser([verb]).parse_args(words)


def test_readme_names_every_verb() -> None:
    text = README.read_text(encoding="utf-8")
    missing = [verb for verb in VERBS if not re.search(rf"edgemnv2 {verb}\b", text)]
    assert not missing
