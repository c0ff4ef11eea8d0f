"""Nothing is written twice: no two places of the package share twelve lines."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "edgemnv2"
LINES = 12


def lines_of(path: Path) -> list[tuple[int, str]]:
    """Numbered lines that say something: no blanks, comments, imports, lone punctuation."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        # Imports of one kind follow each other in many files, and are no code.
        text = re.sub(
            r"^(?:from|import) [^(\n]*(?:\(.*?\))?$",
            lambda match: "\n" * match[0].count("\n"),
            text,
            flags=re.DOTALL | re.MULTILINE,
        )
    numbered = [(n, " ".join(line.split())) for n, line in enumerate(text.splitlines(), 1)]
    comment = r"#(?!include|define|if|el|end).*|//.*|/?\*.*"
    return [(n, line) for n, line in numbered if not re.fullmatch(rf"\W*|{comment}", line)]


def repeated(files: list[Path], root: Path, least: int = LINES) -> list[str]:
    """Runs of `least` equal lines that begin in several places."""
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path in files:
        lines = lines_of(path)
        for start in range(len(lines) - least + 1):
            run = tuple(line for _, line in lines[start : start + least])
            places[run].append(f"{path.relative_to(root)}:{lines[start][0]}")
    return [" ~ ".join(where) for where in places.values() if len(where) > 1]


def test_no_two_places_share_twelve_lines() -> None:
    files = [p for p in sorted(PACKAGE.rglob("*")) if p.suffix in (".py", ".c", ".h")]
    assert len(files) > 200
    assert repeated(files, PACKAGE) == []


def test_lines_that_are_copied_are_found(tmp_path: Path) -> None:
    body = "".join(f"    x{n} = {n}\n" for n in range(LINES))
    (tmp_path / "a.py").write_text(f"from m import (\n    one,\n)\n\n\ndef first():\n{body}")
    (tmp_path / "b.py").write_text(f"def other():\n    # said otherwise\n{body}")
    files = sorted(tmp_path.iterdir())
    assert repeated(files, tmp_path) == ["a.py:7 ~ b.py:3"]
    (tmp_path / "b.py").write_text(f"def other():\n{body.replace('x5 =', 'y5 =')}")
    assert repeated(files, tmp_path) == []
