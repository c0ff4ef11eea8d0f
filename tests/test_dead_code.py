"""Nothing in the package is there for nobody: every name is used somewhere in it."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "edgemnv2"
# Called by another's code, under the name that it wants.
CALLED_BY_OTHERS = {
    "_initialize_with_tune_context": "TVM's search strategies",
    "get_next": "onnxruntime's quantiser, of calibration data",
    "log_message": "Python's http.server",
    "predict": "TVM's cost models",
    "TEXT_RANGE": "a figure of the paper that a test holds ours against",
}


def definitions(path: Path) -> dict[str, int]:
    """Functions, classes, methods and module constants that a file defines, with their lines."""
    tree = ast.parse(path.read_text())
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            registered = any(
                not isinstance(d, ast.Name | ast.Attribute) or not is_plain(d)
                for d in node.decorator_list
            )
            if not node.name.startswith("__") and not registered:
                found[node.name] = node.lineno
    for node in tree.body:
        if isinstance(node, ast.Assign):
            names = [x.id for x in node.targets if isinstance(x, ast.Name)]
            found |= {name: node.lineno for name in names if name != "__all__"}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node.lineno
    return found


def is_plain(decorator: ast.expr) -> bool:
    """Whether a decorator leaves the name to be used by whoever needs it."""
    text = ast.unparse(decorator)
    return text in ("property", "staticmethod", "classmethod", "cache", "cached_property")


def words_of(path: Path) -> list[str]:
    """Words of a file but for its `__all__`, which lists and does not use."""
    text = re.sub(r"^__all__ = \[.*?\]", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\w+", text)


def unused(files: list[Path]) -> list[str]:
    used = Counter(word for path in files for word in words_of(path))
    return [
        f"{path.name}:{line}: {name}"
        for path in files
        for name, line in definitions(path).items()
        if used[name] < 2 and name not in CALLED_BY_OTHERS
    ]


def test_every_name_of_the_package_is_used_in_it() -> None:
    assert unused(sorted(PACKAGE.rglob("*.py"))) == []


def test_what_others_call_is_there() -> None:
    """An exception that has outlived its reason would hide the next name that is left over."""
    defined = {name for path in PACKAGE.rglob("*.py") for name in definitions(path)}
    assert set(CALLED_BY_OTHERS) <= defined


def test_one_that_is_not_used_is_found(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        '__all__ = ["ALONE", "alone", "used"]\n'
        "ALONE: int = 1\nLONE = 2\n\n\ndef used(): return used\n\n\ndef alone(): pass\n\n\n"
        "class Idle:\n    @property\n    def idle(self): pass\n"
    )
    found = {line.rpartition(" ")[2] for line in unused([path])}
    assert found == {"ALONE", "LONE", "alone", "Idle", "idle"}
