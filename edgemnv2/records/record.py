"""A record of a tuning log: one measured candidate, and which of several comes first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgemnv2.records.task import decisions_id

__all__ = ["Record", "canonical", "preference", "ranked"]


@dataclass(frozen=True)
class Record:
    """One measured candidate, its output right.

    `costs` in the log's metric, of one layer; the first from the search, a second from the final
    measurement of the winners. `space` is what the trace could choose from.
    """

    key: str
    decisions: Mapping[str, Any]
    costs: tuple[float, ...]
    space: Mapping[str, tuple[Any, ...]]

    @property
    def id(self) -> str:
        """See `decisions_id`."""
        return decisions_id(self.key, self.decisions)

    @property
    def cost(self) -> float:
        """The most trustworthy of the costs."""
        return self.costs[-1]


def ranked(records: Iterable[Record]) -> list[Record]:
    """Best first: measured twice before once (a lucky first figure loses), then by cost."""
    return sorted(records, key=lambda r: (-len(r.costs), r.cost, canonical(r.decisions)))


def preference(record: Record) -> tuple[Any, ...]:
    """Which of two records of the same decisions stays, whatever the order they come in."""
    return (
        -len(record.costs),
        record.costs[::-1],
        canonical(dict(record.space)),
    )


def canonical(value: Any) -> str:
    """One spelling of a JSON value, whatever the order of its names."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
