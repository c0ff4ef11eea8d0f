"""How much the planner looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from edgemnv2.memory import planner
from edgemnv2.memory.place import Placer
from edgemnv2.memory.variants import plan_graph
from edgemnv2.program import RowOps
from tests.streaming.toys import Maker

PAIRS = 1_000_000
HEIGHT = 60


def _signal() -> RowOps:
    """Windows over rows of a few bytes, their mean at the end: rings of as many classes as rows."""
    maker = Maker("signal")
    name = maker.input("x", (HEIGHT, 1, 3))
    for channels in (13, 5, 21, 7):
        name = maker.convolution(maker.convolution(name, channels), None, 5)
    return maker.finish(maker.mean(name)).rows


def test_refinement_of_a_long_signal_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    place, looked = Placer.place, 0

    def counting(self: Placer, order: Sequence[str], *arguments: Any) -> Any:
        nonlocal looked
        looked += len(order) ** 2 if any("#" in name for name in order) else 0
        return place(self, order, *arguments)

    monkeypatch.setattr(Placer, "place", counting)
    monkeypatch.setattr(planner, "REFINE_PAIRS", PAIRS)
    rows = _signal()
    for planned in plan_graph(rows, "caller", "memory", 8):
        assert planned.plan.arena_bytes > planned.plan.lower_bound_bytes + 8
    # Two programs, each refined while chains are chosen and at the end, the last time not in vain.
    most = (len(rows.tensors) * HEIGHT) ** 2
    assert PAIRS < looked <= 4 * (PAIRS + most)
