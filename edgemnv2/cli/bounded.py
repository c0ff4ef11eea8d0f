"""Numbers on the command line, refused before any work where they make no sense."""

from __future__ import annotations

import argparse
import math
from typing import Any

from edgemnv2.errors import UsageError

__all__ = ["Bounded"]


class Bounded(argparse.Action):
    """Keeps the value; UsageError for one below `least` and for one that is no number."""

    def __init__(
        self, option_strings: list[str], dest: str, *, least: float | None = None, **facts: Any
    ) -> None:
        super().__init__(option_strings, dest, **facts)
        self.least = least

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Of one value, as argparse finds it."""
        said = f"{self.option_strings[-1]} {values}"
        if math.isnan(values):
            raise UsageError(f"{said}: expected a number, as in 0.5")
        if self.least is not None and values < self.least:
            wanted = "0 or more" if self.least == 0 else f"at least {self.least:g}"
            raise UsageError(f"{said}: expected {wanted}")
        setattr(namespace, self.dest, values)
