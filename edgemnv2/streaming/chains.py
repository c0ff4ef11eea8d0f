"""Where to cut the network into chains, so that the largest chain needs the fewest bytes.

Within a chain nothing but rows is kept; between two chains one tensor is whole in memory. A
shortest-path over the cut points minimises the largest chain exactly, for the cost that it is
given; among equals it prefers many small chains to few near the top, which place better together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

__all__ = ["choose_chains", "layer_by_layer"]

Chain = tuple[int, int]
Cost = Callable[[int, int], int]
PlacedCost = Callable[[int, int, int], int]


def layer_by_layer(cuts: Sequence[int]) -> list[Chain]:
    """The longest list of chains: cut wherever `cuts` allow."""
    return list(itertools.pairwise(cuts))


def choose_chains(cuts: Sequence[int], bound: Cost, cost: PlacedCost) -> list[Chain]:
    """Chains between `cuts` whose largest `cost` is least.

    `bound(first, last)` is a cheap lower bound of `cost(first, last, enough)`, all in bytes;
    `cost` need not look for less than `enough`. Costs are asked for lazily: the best path by what
    is known (bounds at first) is priced, until the best path has no unknown price on it.
    """
    count = len(cuts)
    bounds = {
        (i, j): bound(cuts[i], cuts[j]) for i in range(count - 1) for j in range(i + 1, count)
    }
    prices = dict(bounds)
    floor = max(bounds[edge] for edge in _best_path(count, prices, bounds, 0))
    priced: set[Chain] = set()
    while True:
        path = _best_path(count, prices, bounds, floor)
        unknown = [edge for edge in path if edge not in priced]
        if not unknown:
            return [(cuts[i], cuts[j]) for i, j in path]
        for i, j in unknown:
            prices[i, j] = max(bounds[i, j], cost(cuts[i], cuts[j], floor))
            priced.add((i, j))


def _best_path(
    count: int, prices: Mapping[Chain, int], bounds: Mapping[Chain, int], floor: int
) -> list[Chain]:
    """Edges from node 0 to the last whose largest price is least; then the least crowded.

    Prices below `floor`, which nothing can beat, count as `floor`; crowding is the sum of fourth
    powers, so that what lies near the top weighs most.
    """
    unit = max(floor, 1)
    best: list[tuple[int, float, int]] = [(floor, 0.0, -1)]
    for j in range(1, count):
        options = []
        for i in range(j):
            price = prices[i, j]
            weight = price if price > floor else bounds[i, j]
            options.append((max(best[i][0], price), best[i][1] + (weight / unit) ** 4, i))
        best.append(min(options))
    path: list[Chain] = []
    j = count - 1
    while j > 0:
        i = best[j][2]
        path.append((i, j))
        j = i
    return path[::-1]
