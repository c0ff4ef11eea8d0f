"""Imports point one way: command line -> pipeline -> stages -> nouns -> errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "edgemnv2"

# From the bottom up; a module may import its own part and every part below. Runtime files ship
# with artefacts and import nothing of ours.
LAYERS = (
    ("runtime",),
    ("errors",),
    ("provenance", "model", "target", "program"),
    ("graph", "kernel", "artifact"),
    ("doctor",),
    ("quantize.fixed_point", "codegen.constants"),
    ("frontend",),
    ("schedules.builder",),
    ("kernels",),
    ("schedules",),
    ("passes",),
    ("reference",),
    ("streaming",),
    # Kernel variants for bands of rows, which it asks streaming for.
    ("schedules.parts",),
    ("memory",),
    ("codegen",),
    ("measure.images", "measure.accuracy", "measure.compare", "measure.canvas", "measure.plots"),
    ("tune.lookup", "tune.log", "tune.task", "tune.workload"),
    ("pipeline",),
    ("runners",),
    ("measure",),
    ("tune",),
    ("firmware", "paper", "quantize"),
    # The figures of the README, of whatever verb.
    ("measure.results", "measure.quantization_results"),
    ("cli",),
)
# Run by themselves, at no time by the package.
SCRIPTS = {
    "runtime.run",
    "frontend.models.train_digits",
    "frontend.models.quantize_digits",
}
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def rank_of(module: str) -> int | None:
    """Of the longest known prefix of a module's name below `edgemnv2`; None: the package itself."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        found = RANK.get(".".join(parts[:length]))
        if found is not None:
            return found
    return None


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:
            yield name, path


def imports_of(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Modules of ours that are imported, wherever in the file, but not for types alone."""
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.dump(block.test)
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("edgemnv2."):
                    yield alias.name.removeprefix("edgemnv2."), node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "imports are absolute"
            if node.module == "edgemnv2":
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif node.module.startswith("edgemnv2."):
                module = node.module.removeprefix("edgemnv2.")
                # `from edgemnv2.schedules import builder` names a module.
                for alias in node.names:
                    inner = PACKAGE / module.replace(".", "/") / f"{alias.name}.py"
                    yield (f"{module}.{alias.name}" if inner.is_file() else module), node.lineno


def test_every_module_has_a_place() -> None:
    assert [name for name, _ in modules() if rank_of(name) is None] == []


def test_imports_point_downwards() -> None:
    wrong = []
    for name, path in modules():
        if name in SCRIPTS:
            continue
        mine = rank_of(name)
        for imported, line in imports_of(ast.parse(path.read_text())):
            below = rank_of(imported)
            if below is not None and mine is not None and below > mine:
                wrong.append(f"{path.relative_to(PACKAGE.parent)}:{line}: {name} -> {imported}")
    assert wrong == []


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=lambda x: str(x))
def test_all_names_what_is_there(name: str, path: Path) -> None:
    """Modules say what is public, and it is there; scripts run by themselves have no `__all__`."""
    tree = ast.parse(path.read_text())
    defined: set[str] = set()
    listed: list[str] | None = None
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [x.id for t in targets for x in ast.walk(t) if isinstance(x, ast.Name)]
            defined |= set(names)
            if "__all__" in names and node.value is not None:
                listed = list(ast.literal_eval(node.value))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, ast.If | ast.Try):
            defined |= {
                n.name for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.ClassDef)
            }
    if name in SCRIPTS:
        return
    if listed is None:
        public = [n for n in defined if not n.startswith("_") and n != "annotations"]
        has_code = any(isinstance(n, ast.FunctionDef | ast.ClassDef) for n in tree.body)
        assert not has_code, f"{name} defines {sorted(public)} and has no __all__"
        return
    assert len(set(listed)) == len(listed)
    inner = {p.stem for p in path.parent.glob("*.py")} if path.name == "__init__.py" else set()
    assert set(listed) <= defined | inner
