"""README and pages of help keep their word: tables are current, every command line is valid."""

from __future__ import annotations

import json
import re
import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from edgemnv2.cli.help import topics
from edgemnv2.cli.main import VERBS, main, make_parser
from edgemnv2.lab.results import documents, generated_sections, render_readme

README = Path(__file__).resolve().parent.parent / "README.md"
MOST_LINES = 250
"""Of the README; what is longer is a page of its own."""


def text_of_all() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in documents())


def commands() -> list[str]:
    """Every `edgemnv2 ...` line of the shell blocks, and those in backquotes."""
    text = text_of_all()
    found = []
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            line = line.split("#", 1)[0].split(" > ", 1)[0].strip()
            if line.startswith("edgemnv2 "):
                found.append(line)
    outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    found += re.findall(r"`(edgemnv2 [^`]*)`", outside.replace("\n", " "))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_generated_tables_are_what_code_and_results_say(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert render_readme(text) == text, "run: python -m edgemnv2.lab.results readme"


def test_every_generated_table_is_somewhere() -> None:
    text = text_of_all()
    known = set(generated_sections())
    assert set(re.findall(r"<!-- begin (\S+) -->", text)) == known


def test_the_readme_is_short_and_names_every_page() -> None:
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    linked = set(re.findall(r"\(edgemnv2/help/([\w-]+)\.md\)", text))
    assert linked == set(topics())


def test_every_link_leads_somewhere() -> None:
    for path in documents():
        for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_picture_is_of_the_arena_that_the_table_names() -> None:
    root = ElementTree.parse(README.parent / ".docs" / "arena.svg").getroot()
    words = " ".join(x.text or "" for x in root.iter("{http://www.w3.org/2000/svg}text"))
    rows = json.loads((README.parent / "edgemnv2/lab/results/memory.json").read_text())["rows"]
    (arena,) = (row["arena_bytes"] for row in rows if row["network"] == "0.35-96")
    assert f"({arena / 1024:.1f} KiB)" in words


@pytest.mark.parametrize("command", commands())
def test_command_lines_of_the_readme_are_valid(command: str) -> None:
    words = shlex.split(command)[1:]
    verb = words[0]
    assert verb in VERBS
    # TOPIC stands for one of several.
    if len(words) > 1:
        make_parser([verb]).parse_args(words)


def test_readme_names_every_verb() -> None:
    text = text_of_all()
    missing = [verb for verb in VERBS if not re.search(rf"edgemnv2 {verb}\b", text)]
    assert not missing


@pytest.mark.parametrize("topic", topics())
def test_help_prints_every_page(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# ") and said == (
        README.parent / "edgemnv2" / "help" / f"{topic}.md"
    ).read_text(encoding="utf-8")


def test_help_lists_topics_and_verbs_and_knows_no_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["help"]) == 0
    said = capsys.readouterr().out
    assert all(f"{topic} " in said for topic in topics()) and "compile, verify" in said
    with pytest.raises(SystemExit) as end:
        main(["help", "compile"])
    assert end.value.code == 0 and "usage: edgemnv2 compile" in capsys.readouterr().out
    assert main(["help", "nothing"]) == 2
    assert "no topic 'nothing'" in capsys.readouterr().err
