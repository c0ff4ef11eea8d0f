"""What is written outside of the package (the notebook, commands in documents, programs in tests'
strings) imports modules and names that there are. mypy reads the package alone, and what runs such
a program is often a test for CI."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.test_architecture import PACKAGE

REPOSITORY = PACKAGE.parent

OWN = ("edgemnv2", "tests")
READ = {".py", ".md", ".toml", ".txt", ".yml", ".ipynb", ""}
ELSEWHERE = {"build", "dist", "node_modules", "__pycache__", "golden"}
KEPT = {".ci", ".docs", ".github"}
"""Folders of ours that begin with a dot; the others are tools'."""

LINE = re.compile(r"^\W*from ((?:edgemnv2|tests)[\w.]*) import ([\w, ]+?)\s*(?:#.*|\\n.*)?$", re.M)
"""An import on one line, wherever it stands."""
MODULE = re.compile(r"-m[ \",']+((?:edgemnv2|tests)(?:\.\w+)*)(?![\w.]*[{<])")


WRITTEN = "edgemnv2.ops.shrink.layer"
"""What a reader of CONTRIBUTING.md writes."""


def files() -> list[Path]:
    """Text files of the project, the package's too: programs stand in its strings."""
    found = []
    folders = [REPOSITORY]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            name = path.name
            if path.is_dir():
                if name not in ELSEWHERE and (not name.startswith(".") or name in KEPT):
                    folders.append(path)
            elif path.suffix in READ and not name.startswith(".git") and path != Path(__file__):
                found.append(path)
    return found


def module_file(module: str) -> Path | None:
    path = REPOSITORY.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@functools.cache
def names(file: Path) -> frozenset[str]:
    """What a module defines or imports at any depth but for bodies of functions and classes, and
    the modules inside of a package."""
    found: set[str] = set()
    blocks = list(ast.parse(file.read_text(encoding="utf-8")).body)
    while blocks:
        node = blocks.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {x.asname or x.name.partition(".")[0] for x in node.names}
        found |= {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
        blocks += [x for x in ast.iter_child_nodes(node) if isinstance(x, ast.stmt)]
    if file.name == "__init__.py":
        found |= {x.stem for x in file.parent.iterdir()}
    return frozenset(found)


def imports(path: Path) -> set[tuple[str, str]]:
    """(module, name) pairs that a file imports; the name is empty for a module that is run."""
    text = path.read_text(encoding="utf-8")
    found = {
        (module, name.strip()) for module, all in LINE.findall(text) for name in all.split(",")
    }
    found |= {(module, "") for module in MODULE.findall(text)}
    if path.suffix == ".py" and not path.is_relative_to(PACKAGE):  # mypy reads the package
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found |= {(node.module, x.name) for x in node.names}
    return {
        (module, name.partition(" as ")[0])
        for module, name in found
        if module.partition(".")[0] in OWN
    }


def missing(path: Path) -> list[str]:
    wrong = []
    for module, name in sorted(imports(path)):
        if module == WRITTEN:
            continue
        file = module_file(module)
        if file is None:
            wrong.append(module)
        elif name and name != "*" and name not in names(file):
            wrong.append(f"{module}.{name}")
        elif not name and file.name == "__init__.py" and not (file.parent / "__main__.py").exists():
            wrong.append(f"{module}.__main__")
    return wrong


def test_imports_name_what_there_is() -> None:
    wrong = {str(x.relative_to(REPOSITORY)): missing(x) for x in files()}
    assert not {path: all for path, all in wrong.items() if all}
    seen = {x.relative_to(REPOSITORY).as_posix() for x in files()}
    assert {"README.md", ".docs/keras_to_firmware.py", ".ci/run", "Makefile"} <= seen


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from edgemnv2.report.plots import macs_svg, gone\n", ["edgemnv2.report.plots.gone"]),
        ("def f():\n    from edgemnv2.gone import macs_svg\n", ["edgemnv2.gone"]),
        ('"""\nfrom edgemnv2.report.plots import gone\n"""\n', ["edgemnv2.report.plots.gone"]),
        ("# python -m edgemnv2.gone --check\n", ["edgemnv2.gone"]),
        ('RUN = ["-m", "edgemnv2.report"]\n', ["edgemnv2.report.__main__"]),
    ],
)  # fmt: skip
def test_a_name_that_has_moved_is_found(tmp_path: Path, text: str, expected: list[str]) -> None:
    (tmp_path / "script.py").write_text(text)
    assert missing(tmp_path / "script.py") == expected
