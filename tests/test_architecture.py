"""A folder is a floor: it has one rank, and imports its own modules and lower floors only."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "edgemnv2"

# From the bottom up. A name is a folder, or a module that lies beside the folders. What stands on
# one line shares a floor and does not know its neighbour. Files of `runtime` ship with artefacts
# and import nothing of ours.
FLOORS = (
    ("runtime", "errors", "version"),
    ("task", "target_schema"),
    ("cache", "drafts", "manifest", "model", "target", "npz", "provenance", "program"),
    ("artifact",),
    ("arithmetic",),
    ("tir",),
    ("ops",),
    ("samples",),
    ("meaning",),
    ("frontend",),
    ("passes",),
    ("schedules",),
    ("streaming",),
    ("memory",),
    ("codegen",),
    ("records",),
    ("pipeline",),
    ("export",),
    ("runners",),
    ("check",),
    ("benchmark",),
    ("quantizer", "tuner", "firmware"),
    ("report",),
    ("paper",),
    ("lab",),
    ("api",),
    ("cli",),
    ("__main__",),
)
RANK = {name: rank for rank, names in enumerate(FLOORS) for name in names}
# Run by themselves, at no time by the package.
SCRIPTS = {
    "runtime.run",
    "lab.train_digits",
    "lab.train_canvas_networks",
    "lab.quantize_digits",
    "lab.quantize_canvas_networks",
}
VERBS = {"load", "compile", "quantize", "bundle", "bench", "tune", "verify", "open_artifact"}


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name below the package, and file, of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and "templates" not in parts:
            yield name, path


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """What a file imports of ours, wherever in the file and for whatever purpose."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "edgemnv2":
                    yield alias.name.removeprefix("edgemnv2").lstrip("."), node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module.split(".")[0] == "edgemnv2":
                base = node.module.removeprefix("edgemnv2").lstrip(".")
                for alias in node.names:
                    yield f"{base}.{alias.name}".lstrip("."), node.lineno


NAMES = {name for name, _ in modules()}


def as_module(imported: str) -> str | None:
    """The module that `imported` is, or is an attribute of; None: of the package itself."""
    while imported and imported not in NAMES:
        imported = imported.rpartition(".")[0]
    return imported or None


def folders_of(module: str) -> list[str]:
    """The folders that a module lies in, but for the package itself, from the inside out."""
    return [str(x).replace("/", ".") for x in Path(module.replace(".", "/")).parents][:-1]


EDGES = [
    (name, module, f"{path.relative_to(PACKAGE.parent)}:{line}")
    for name, path in modules()
    for imported, line in imports_of(path)
    if (module := as_module(imported)) is not None and module != name
]


def floor(module: str) -> str:
    return module.split(".")[0]


def test_every_room_has_a_floor() -> None:
    assert {floor(name) for name in NAMES} == set(RANK)


def test_imports_point_downwards() -> None:
    wrong = [
        f"{place}: {name} -> {imported}"
        for name, imported, place in EDGES
        if floor(name) != floor(imported) and RANK[floor(imported)] >= RANK[floor(name)]
    ]
    assert wrong == []


def test_only_the_command_line_imports_the_package_itself() -> None:
    """`edgemnv2/__init__.py` is the API, for users: whoever below imports it closes a circle."""
    wrong = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {imported}"
        for name, path in modules()
        for imported, line in imports_of(path)
        if as_module(imported) is None and floor(name) != "cli"
    ]
    assert wrong == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Importing a module runs the `__init__.py` of the folders that it lies in, so they count, but
    for those that run already: the importer's own."""
    targets: dict[str, set[str]] = defaultdict(set)
    for name, imported, _ in EDGES:
        entered = set(folders_of(imported)) - {name, *folders_of(name)}
        targets[name] |= {imported} | entered
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"circle: {' -> '.join([*above, name])}"
        if name not in done:
            for imported in sorted(targets[name]):
                visit(imported, (*above, name))
            done.add(name)

    for name in sorted(NAMES):
        visit(name, ())


def test_no_package_has_the_name_of_a_verb() -> None:
    """Importing `edgemnv2.quantizer.…` would put the module in the place of the function."""
    assert VERBS & {floor(name) for name in NAMES} == set()


def test_references_share_nothing_with_kernels() -> None:
    """`reference.py` of an operator, and all it imports, knows neither TIR nor a kernel."""
    targets: dict[str, set[str]] = defaultdict(set)
    for name, imported, _ in EDGES:
        targets[name].add(imported)
    for start in sorted(n for n in NAMES if n.endswith(".reference")):
        seen, waiting = {start}, [start]
        while waiting:
            for imported in targets[waiting.pop()] - seen:
                seen.add(imported)
                waiting.append(imported)
        wrong = {n for n in seen if n.endswith(".kernel") or floor(n) in ("tir", "schedules")}
        assert wrong == set(), f"{start} reaches {sorted(wrong)}"


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


# What the command line may know besides the public API, and why.
CLI_KNOWS = {
    "api": "the public API",
    "errors": "what it turns into exit codes",
    "cli": "itself",
    "manifest": "the type of what it prints",
    "report": "prints",
    "paper": "prints",
    "version": "what --version prints",
}


def test_the_command_line_is_made_of_the_public_api() -> None:
    """Types aside: an import for TYPE_CHECKING runs nothing."""
    wrong = []
    for name, path in modules():
        if floor(name) != "cli":
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = [ast.Pass()]
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
                "edgemnv2."
            ):
                continue
            module = as_module(str(node.module).removeprefix("edgemnv2."))
            assert module is not None
            if floor(module) not in CLI_KNOWS:
                wrong.append(f"{name} -> {module}")
    assert wrong == []
