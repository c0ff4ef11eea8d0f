"""Files that hold what a test made when somebody last read it: `tests/golden/<module>/<test>`.

A change of generated text then shows in a diff, where a reviewer sees it. What is compared must be
the same on every machine: no path, no version, no figure of a processor.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

GOLDEN = Path(__file__).resolve().parent / "golden"
MOST_LINES = 60
"""Of the difference that a failure shows."""


@dataclass(frozen=True)
class Golden:
    """The golden files of one test, which begin with `stem`; `update` writes them anew."""

    stem: Path
    update: bool

    def check(self, text: str, suffix: str) -> None:
        """Fail with the difference where `text` is not what the file holds."""
        file = self.stem.with_name(self.stem.name + suffix)
        if self.update:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        remedy = "if that is meant, run pytest with --update-golden and read the difference"
        assert file.is_file(), f"{file} is not there: {remedy}"
        known = file.read_text(encoding="utf-8")
        if text == known:
            return
        lines = list(
            difflib.unified_diff(
                known.splitlines(), text.splitlines(), str(file), "made now", lineterm="", n=2
            )
        )
        more = [f"... {len(lines) - MOST_LINES} more lines"] if len(lines) > MOST_LINES else []
        shown = "\n".join([*lines[:MOST_LINES], *more])
        raise AssertionError(f"another text than the golden one; {remedy}\n{shown}")
