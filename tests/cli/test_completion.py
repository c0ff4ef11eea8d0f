"""Completion scripts, asked the way each shell asks them."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from edgemnv2.cli.completion import SHELLS, completion
from edgemnv2.cli.main import VERBS, make_parser
from edgemnv2.target import target_names


@pytest.fixture(scope="module")
def parser() -> argparse.ArgumentParser:
    """A command line with everything that ours has: nested verbs, choices, files, awkward help."""
    top = argparse.ArgumentParser(prog="edgemnv2")
    top.add_argument("--version", action="version", version="1")
    verbs = top.add_subparsers(dest="verb")
    build = verbs.add_parser("compile", help="a model's code: [made] for a target")
    build.add_argument("model", nargs="?", help="file or built-in name")
    build.add_argument("--target", help="name, or path: one's own")
    build.add_argument("-o", "--output", type=Path)
    build.add_argument("--io", choices=["arena", "caller"])
    build.add_argument("--json", action="store_true")
    build.add_argument("--hidden", help=argparse.SUPPRESS)
    logs = verbs.add_parser("logs", help="tuning logs").add_subparsers(dest="what")
    check = logs.add_parser("check", help="look at them")
    check.add_argument("folder", type=Path, nargs="*")
    check.add_argument("--strict", action="store_true")
    logs.add_parser("merge", help="join them")
    verbs.add_parser("completion").add_argument("shell", choices=SHELLS)
    return top


Ask = Callable[[str], list[str]]


@pytest.fixture
def bash(
    parser: argparse.ArgumentParser, tmp_path: Path, require_tool: Callable[[str], str]
) -> Ask:
    program = require_tool("bash")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "net.onnx").touch()
    script = completion(parser, "bash")

    def ask(line: str) -> list[str]:
        words = line.split(" ")
        listed = " ".join(f"'{word}'" for word in words)
        code = f"{script}\nCOMP_WORDS=({listed}); COMP_CWORD={len(words) - 1}\n_edgemnv2\n"
        code += 'printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(
            [program, "--norc", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path / "folder",
        )
        assert done.stderr == ""
        return done.stdout.split()

    return ask


@pytest.fixture
def fish(
    parser: argparse.ArgumentParser, tmp_path: Path, require_tool: Callable[[str], str]
) -> Ask:
    program = require_tool("fish")
    for name in ("net.onnx", "net.csv"):
        (tmp_path / name).touch()
    script = tmp_path / "edgemnv2.fish"
    script.write_text(completion(parser, "fish"))

    def ask(line: str) -> list[str]:
        done = subprocess.run(
            [program, "--no-config", "-c", f"source {script}; complete -C '{line}'"],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
        )
        assert done.stderr == ""
        return [x.split("\t")[0] for x in done.stdout.splitlines()]

    return ask


# A shell on a terminal of its own, in which Tab lists what may follow and changes nothing.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; TERM=dumb; LISTMAX=999; cd $1; unset zle_bracketed_paste
autoload -U compinit; compinit -u -d $1/dump; source $2; bindkey '^I' list-choices; print REA''DY"
zpty -r -m shell greeting '*READY*'
zpty -n -w shell "$3"$'\t'
# Until nothing has come for half a second, after the first that came.
integer quiet=0 left=200
while ((left-- && quiet < 10)); do
  if zpty -r -t shell chunk; then text+=$chunk; quiet=0
  else sleep 0.05; [[ $text == *$'\n'* ]] && ((++quiet)); fi
done
print -r -- $text
"""


@pytest.fixture
def zsh(parser: argparse.ArgumentParser, tmp_path: Path, require_tool: Callable[[str], str]) -> Ask:
    program = require_tool("zsh")
    script = tmp_path / "_edgemnv2"
    script.write_text(completion(parser, "zsh"))
    (tmp_path / "ask.zsh").write_text(ZSH)
    (tmp_path / "net.onnx").touch()
    (tmp_path / "net.csv").touch()

    def ask(line: str) -> list[str]:
        done = subprocess.run(
            [program, "-f", str(tmp_path / "ask.zsh"), str(tmp_path), str(script), line],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", " ", done.stdout)
        return shown.replace("\r", "\n").replace(line, " ").split()

    return ask


@pytest.fixture(params=SHELLS)
def ask(request: pytest.FixtureRequest) -> Ask:
    """The completions of a line, its last word unfinished, in each shell."""
    found: Ask = request.getfixturevalue(request.param)
    return found


def test_verbs_are_offered(ask: Ask) -> None:
    assert set(ask("edgemnv2 comp")) >= {"compile", "completion"}
    assert "logs" in ask("edgemnv2 lo")


def test_options_of_the_verb_are_offered_and_no_hidden_ones(ask: Ask) -> None:
    found = ask("edgemnv2 compile --")
    assert {"--target", "--io", "--json", "--output"} <= set(found)
    assert not {"--hidden", "--strict"} & set(found)


def test_choices_follow_their_option(ask: Ask) -> None:
    found = set(ask("edgemnv2 compile --io "))
    assert found >= {"arena", "caller"} and not found & {"--json", "compile", "net.onnx"}


def test_targets_are_offered_by_name(ask: Ask) -> None:
    assert set(ask("edgemnv2 compile --target rpi")) >= {
        x for x in target_names() if x.startswith("rpi")
    }


def test_nested_verbs_have_their_own_options(ask: Ask) -> None:
    assert {"check", "merge"} <= set(ask("edgemnv2 logs "))
    assert "--strict" in ask("edgemnv2 logs check --s")


def test_files_are_offered_where_a_path_is_meant(ask: Ask) -> None:
    assert "net.onnx" in ask("edgemnv2 compile -o ne")
    assert "net.onnx" in ask("edgemnv2 logs check ne")


def test_the_real_command_line_has_its_verbs_in_every_script() -> None:
    verbs = [verb for verb in VERBS if find_spec(f"edgemnv2.cli.{verb}")]
    assert {"paper", "report", "completion"} <= set(verbs)
    for shell in SHELLS:
        script = completion(make_parser(verbs), shell)
        assert all(verb in script for verb in VERBS)
        assert "plot" in script and "results" in script
