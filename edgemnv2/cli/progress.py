"""Progress on stderr, silent where that is no terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

__all__ = ["Bar", "Stages"]


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
        self._bar = tqdm(
            bar_format="{desc} [{elapsed}]", disable=not sys.stderr.isatty(), leave=False
        )

    def enter(self, stage: str) -> None:
        """The next stage begins."""
        self._bar.set_description_str(f"{self._title}: {stage}")


class Bar(_Shown):
    """A bar over a known number of things."""

    def __init__(self, title: str, unit: str) -> None:
        self._bar = tqdm(
            desc=title, unit=unit, total=0, disable=not sys.stderr.isatty(), leave=False
        )

    def update(self, done: int, total: int) -> None:
        """`done` of `total` are ready."""
        self._bar.total = total
        self._bar.update(done - self._bar.n)
