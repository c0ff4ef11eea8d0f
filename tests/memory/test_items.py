"""Which distances items may not have."""

from __future__ import annotations

from itertools import permutations
from unittest.mock import patch

import numpy as np
import pytest

from edgemnv2.memory import items
from edgemnv2.memory.items import Item, forbidden_distances


def item(random: np.random.Generator, name: str) -> Item:
    """A ring, or one residue class of it, with live ranges that begin in any order."""
    rows, row_bytes = int(random.integers(1, 30)), int(random.integers(1, 12))
    first = random.integers(-1, 60, rows)
    if random.random() < 0.7:
        first.sort()
    last = first + random.integers(0, 9, rows)
    depth = int(random.integers(1, rows + 1))
    offset = np.arange(rows) % depth * row_bytes
    return Item(name, name, 0, row_bytes, depth, offset, first, last)


@pytest.mark.parametrize("seed", range(40))
def test_a_distance_is_forbidden_where_rows_alive_together_would_meet(seed: int) -> None:
    random = np.random.default_rng(seed)
    several = [item(random, f"t{n}") for n in range(int(random.integers(1, 7)))]
    found = forbidden_distances(several)
    with patch.object(items, "_MOST_PAIRS", int(random.integers(1, 60))):
        assert forbidden_distances(several) == found
    for n, m in permutations(range(len(several)), 2):
        a, b = several[n], several[m]
        apart = [
            int(b.offset[k] - a.offset[i])
            for i in range(len(a.first))
            for k in range(len(b.first))
            if a.first[i] <= b.last[k] and b.first[k] <= a.last[i]
        ]
        # Row k of b begins `d + x` behind row i of a, if b's base is x behind a's.
        for x in range(-400, 400):
            meet = any(-b.row_bytes < d + x < a.row_bytes for d in apart)
            assert meet == any(low < x < high for low, high in found[m].get(n, ()))


def test_nothing_is_forbidden_without_items() -> None:
    assert forbidden_distances([]) == []
