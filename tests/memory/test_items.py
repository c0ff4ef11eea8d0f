"""Which distances two items may not have."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest

from edgemnv2.memory import items
from edgemnv2.memory.items import Item, forbidden_distances


def item(random: np.random.Generator, rows: int) -> Item:
    """A ring with live ranges that move on."""
    first = np.sort(random.integers(0, 40, rows))
    last = first + random.integers(0, 9, rows)
    offset = np.arange(rows) % int(random.integers(1, rows + 1)) * 8
    return Item("a", "a", 0, 8, rows, offset, first, last)


@pytest.mark.parametrize("seed", range(20))
def test_tall_maps_are_compared_in_blocks_with_the_same_result(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (item(random, int(random.integers(1, 30))) for _ in range(2))
    whole = forbidden_distances(a, b)
    with patch.object(items, "_MOST_PAIRS", int(random.integers(1, 60))):
        assert forbidden_distances(a, b) == whole
    met = {
        int(a.offset[i] - b.offset[k])
        for i in range(len(a.first))
        for k in range(len(b.first))
        if a.first[i] <= b.last[k] and b.first[k] <= a.last[i]
    }
    for distance in met:
        assert any(low < distance < high for low, high in whole)
