"""What the default run takes of a test's parameters; CI takes them all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest

__all__ = ["usual"]


def usual(values: Iterable[Any], always: Collection[Any]) -> list[Any]:
    """Parameters of a test of which the default run takes `always` only; several as tuples."""
    found = []
    for value in values:
        several = value if isinstance(value, tuple) else (value,)
        mark = () if value in always else pytest.mark.slow(ci=True)
        found.append(pytest.param(*several, marks=mark))
    return found
