"""Where to cut the network into chains, so that the largest chain needs the fewest bytes.

Within a chain nothing but rows is kept; between two chains one tensor is whole in memory. A
shortest-path over the cut points minimises the largest chain exactly, for the cost that it is
given; among equals it prefers many small chains to few near the top, which place better together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemnv2.streaming.lower import RowOps

__all__ = ["chain_of", "choose_chains", "layer_by_layer"]

Chain = tuple[int, int]
Cost = Callable[[int, int], int]
PlacedCost = Callable[[int, int, int], int]

SLACK = 1.25
"""Chains whose live rows alone exceed the best bound by this factor are never placed: what greedy
placement loses against the live bound stayed below it in every network tried."""


def chain_of(rows: RowOps, first: int, last: int) -> RowOps:
    """The operations `first .. last - 1` as a network of its own."""
    source = rows.input if first == 0 else rows.ops[first - 1].output
    return RowOps(rows.tensors, rows.ops[first:last], source, rows.ops[last - 1].output)


def layer_by_layer(rows: RowOps, cuts: Sequence[int]) -> list[Chain]:
    """The longest list of chains: cut wherever `cuts` allow."""
    return list(zip(cuts[:-1], cuts[1:], strict=True))


def choose_chains(cuts: Sequence[int], bound: Cost, cost: PlacedCost) -> list[Chain]:
    """Chains between `cuts` whose largest `cost` is least.

    `bound(first, last)` is a cheap lower bound of `cost(first, last, enough)`, all in bytes;
    `cost` need not look for less than `enough`.
    """
    count = len(cuts)
    bounds = {
        (i, j): bound(cuts[i], cuts[j]) for i in range(count - 1) for j in range(i + 1, count)
    }
    # The bottleneck path by the bound alone: nothing can be smaller than this.
    least = [0] * count
    for j in range(1, count):
        least[j] = min(max(least[i], bounds[i, j]) for i in range(j))
    floor = least[-1]
    limit = floor * SLACK

    # Path value: (largest cost, crowding near the top). Costs below the floor count as the floor.
    best: list[tuple[int, float, int]] = [(floor, 0.0, -1)]
    for j in range(1, count):
        chosen: tuple[int, float, int] | None = None
        options = sorted(
            (max(best[i][0], bounds[i, j]), best[i][1] + (bounds[i, j] / floor) ** 4, i)
            for i in range(j)
            if bounds[i, j] <= limit or i == j - 1
        )
        for at_least, _, i in options:
            if chosen is not None and at_least > chosen[0]:
                break
            real = cost(cuts[i], cuts[j], floor)
            weight = real if real > floor else bounds[i, j]
            value = (max(best[i][0], real), best[i][1] + (weight / floor) ** 4, i)
            if chosen is None or value[:2] < chosen[:2]:
                chosen = value
        assert chosen is not None  # i == j - 1 is always an option
        best.append(chosen)
    chains: list[Chain] = []
    j = count - 1
    while j > 0:
        i = best[j][2]
        chains.append((cuts[i], cuts[j]))
        j = i
    return chains[::-1]
