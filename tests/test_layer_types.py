"""Whoever has a layer asks it, or the table of operators; nobody tells layers apart by type.

One question narrows a type for the code of one operator. Several types that one function asks a
layer for are a ladder: the next operator would be missing on it.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemnv2.ops.table import OPERATORS

PACKAGE = Path(__file__).resolve().parents[1] / "edgemnv2"
LAYERS = {layer for layers in OPERATORS.values() for layer in layers} | {"Convolution"}
# Layers of other frameworks, under their own names.
OUTSIDE = {"lab/train_digits.py"}


def ladders(text: str) -> Iterator[str]:
    """Places of a module where layers are told apart by type, or probed for attributes."""
    tree = ast.parse(text)
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        asked: dict[str, set[str]] = defaultdict(set)
        for call in _own(function):
            if _calls(call, "isinstance"):
                asked[ast.unparse(call.args[0])] |= _types(call)
        for subject, names in asked.items():
            if len(names) > 1:
                yield f"{function.lineno}: {function.name} asks {subject} for {sorted(names)}"
    for node in ast.walk(tree):
        if isinstance(node, ast.MatchClass) and ast.unparse(node.cls).split(".")[-1] in LAYERS:
            yield f"{node.lineno}: case {ast.unparse(node.cls)}"
        for probe in ("hasattr", "getattr"):
            if _calls(node, probe) and ast.unparse(node.args[0]) in ("layer", "self.layer"):
                yield f"{node.lineno}: {ast.unparse(node)}"
        if _calls(node, "type") and _names(node) & {"layer"}:
            yield f"{node.lineno}: {ast.unparse(node)}"


def _own(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """Nodes of a function but for those of functions in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        inner = ast.iter_child_nodes(node)
        waiting += [x for x in inner if not isinstance(x, ast.FunctionDef)]


def _calls(node: ast.AST, name: str) -> bool:
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    return called and node.func.id == name and bool(node.args)


def _names(node: ast.AST) -> set[str]:
    return {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}


def _types(call: ast.AST) -> set[str]:
    assert isinstance(call, ast.Call)
    return _names(call.args[1]) & LAYERS


MODULES = [
    path.relative_to(PACKAGE).as_posix()
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.relative_to(PACKAGE).parts[0] != "ops"
]


@pytest.mark.parametrize("module", [x for x in MODULES if x not in OUTSIDE])
def test_no_layers_are_told_apart_by_type(module: str) -> None:
    assert list(ladders((PACKAGE / module).read_text())) == []


@pytest.mark.parametrize(
    "code",
    [
        "def f(x):\n    return isinstance(x, Conv2D | Add)",
        "def f(x):\n    return isinstance(x, (Conv2D, Add))",
        "def f(x):\n    if isinstance(x, Conv2D):\n        return 1\n    return isinstance(x, Add)",
        "match x:\n    case Conv2D():\n        pass",
        "match x:\n    case layer.Add():\n        pass",
        "hasattr(layer, 'clamp')",
        "getattr(layer, 'clamp', None)",
        "table[type(layer)]",
    ],
)
def test_a_ladder_is_found(code: str) -> None:
    assert list(ladders(code))


def test_one_question_is_none() -> None:
    assert not list(ladders("def f(x):\n    assert isinstance(x, Conv2D)\n    return x.weight"))
