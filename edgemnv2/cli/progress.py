"""Progress on stderr: one line that changes on a terminal, a line a stage elsewhere.

A line looks like `compile: plan memory`; messages of the command begin with `edgemnv2 compile:`.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

__all__ = ["Bar", "Stages"]

LINES = 10
"""Of a bar where there is no terminal: enough to see that it goes on."""


class _Shown:
    """What tqdm shows until the block ends."""

    _bar: Any

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._bar.close()


class Stages(_Shown):
    """Names the stage that is running: `compile: plan memory [00:03]`."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(bar_format="{desc} [{elapsed}]", disable=not self._terminal, leave=False)

    def enter(self, stage: str) -> None:
        """The next stage begins."""
        if self._terminal:
            self._bar.set_description_str(f"{self._title}: {stage}")
        else:
            _say(f"{self._title}: {stage}")


class Bar(_Shown):
    """A bar over a known number of things."""

    def __init__(self, title: str, unit: str) -> None:
        self._title, self._unit, self._note = title, unit, ""
        self._terminal = sys.stderr.isatty()
        self._bar = tqdm(desc=title, unit=unit, total=0, disable=not self._terminal, leave=False)
        self._said = -1

    def stage(self, text: str) -> None:
        """What is at work before the first of the things is ready."""
        if self._terminal:
            self._bar.set_description_str(f"{self._title}: {text}")
        else:
            _say(f"{self._title}: {text}")

    def note(self, text: str) -> None:
        """What stands behind the bar from the next update on."""
        self._note = text

    def update(self, done: int, total: int, what: str = "") -> None:
        """`done` of `total` are ready; `what` is at work."""
        if not self._terminal:
            self._update_lines(done, total, what)
            return
        self._bar.total = total
        if what:
            self._bar.set_description_str(f"{self._title}: {what}", refresh=False)
        if self._note:
            self._bar.set_postfix_str(self._note, refresh=False)
        self._bar.update(done - self._bar.n)

    def _update_lines(self, done: int, total: int, what: str) -> None:
        """A line at the first update, at the last, and wherever a tenth is full."""
        tenth = LINES * done // max(total, 1)
        if tenth == self._said:
            return
        self._said = tenth
        about = "".join(f", {text}" for text in (what, self._note) if text)
        _say(f"{self._title}: {self._unit} {done} of {total}{about}")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
