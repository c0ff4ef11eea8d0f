"""Every module that is a program says what it is called, answers `--help`, refuses other words."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_imports import REPOSITORY

OF_USERS = {"edgemnv2": "edgemnv2", "edgemnv2.cli.main": "edgemnv2"}
"""What is called otherwise than by its module."""
ALONE = {"edgemnv2.runtime.run"}
"""Copied into artefacts, where it is called by its file."""
WITH_TORCH = {"edgemnv2.lab.train_canvas_networks", "edgemnv2.lab.train_digits"}
"""They begin with an import of torch, which no test installs."""


def programs() -> dict[str, ast.Module]:
    """Modules that do something when they are run, by name."""
    found = {}
    for folder in ("edgemnv2", "tests"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if path.name == "__main__.py" or "\nif __name__ == " in text:
                words = path.relative_to(REPOSITORY).with_suffix("").parts
                name = ".".join(words).removesuffix(".__main__")
                found[name] = ast.parse(text)
    return {name: tree for name, tree in found.items() if name not in ALONE}


PROGRAMS = programs()


def calls_parser(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and "Parser" in ast.unparse(node.func).rpartition(".")[2]


@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - set(OF_USERS)))
def test_a_program_is_called_by_its_module(name: str) -> None:
    """argparse alone says `__main__.py`; without it, `--help` did the whole work."""
    told = {
        ast.literal_eval(word.value)
        for node in ast.walk(PROGRAMS[name])
        if calls_parser(node)
        for word in node.keywords  # type: ignore[attr-defined]
        if word.arg == "prog"
    }
    assert told == {f"python -m {name}"}


@pytest.mark.slow(ci=True)
@pytest.mark.parametrize("name", sorted(set(PROGRAMS) - WITH_TORCH))
def test_a_program_has_help_and_refuses_other_words(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", name]
    env = {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "100"}
    for word, code in (("--help", 0), ("--frobnicate", 2)):
        done = subprocess.run(
            [*command, word], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == code, done.stderr
        said = done.stderr if code else done.stdout
        assert said.startswith(f"usage: {OF_USERS.get(name, f'python -m {name}')} ")
    assert not list(tmp_path.iterdir())
