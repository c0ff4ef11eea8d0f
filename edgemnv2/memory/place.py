"""The placer: a base for every item so that the arena spans as few bytes as possible.

Greedy with signed addresses (a chain's output sits a little *below* its input), then repair: the
item that last made the span grow is moved to an earlier place in the order, and so on. Seeded, so
equal input gives equal plans.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemnv2.memory.items import Interval, Item, forbidden_distances, merge_intervals

__all__ = ["Placed", "Placer"]


@dataclass(frozen=True)
class Placed:
    """Bases of all items, from 0, and the bytes that they span."""

    base: Mapping[str, int]
    span: int
    order: tuple[str, ...]
    grower: str
    """The item that last made the span grow."""


class Placer:
    """Places one fixed set of items, in any order, as often as wanted."""

    def __init__(self, items: Mapping[str, Item], align_bytes: int) -> None:
        self.items = items
        self.align = align_bytes
        self.pairs = 0
        """Pairs of items that were looked at, which is what placing takes."""
        names = list(items)
        # Of each item, by those others that may not be anywhere.
        self._near = {
            name: [(names[other], apart) for other, apart in found.items()]
            for name, found in zip(names, forbidden_distances(list(items.values())), strict=True)
        }

    def place(
        self, order: Sequence[str], limit: int | None = None, rng: random.Random | None = None
    ) -> Placed | str:
        """Place the items one after another where each makes the span grow least.

        Returns the name of the offending item as soon as the span reaches `limit`. With `rng`,
        equally good places are sometimes taken from the other end.
        """
        self.pairs += len(order) ** 2
        base: dict[str, int] = {}
        low = high = 0
        grower = order[0] if order else ""
        for name in order:
            extent = self.items[name].extent
            taken = merge_intervals(
                (start + at, stop + at)
                for other, apart in self._near[name]
                if (at := base.get(other)) is not None
                for start, stop in apart
            )
            outward = rng is not None and rng.random() < 0.3
            chosen = self._best_base(taken, extent, low, high, outward)
            if chosen < low or chosen + extent > high:
                grower = name
            base[name] = chosen
            low, high = min(low, chosen), max(high, chosen + extent)
            if limit is not None and high - low >= limit:
                return grower
        # Shift by a multiple of the alignment, so that aligned bases stay aligned.
        shift = -(low // self.align * self.align)
        return Placed(
            {name: b + shift for name, b in base.items()}, high + shift, tuple(order), grower
        )

    def _best_base(
        self, taken: list[Interval], extent: int, low: int, high: int, outward: bool
    ) -> int:
        """The free aligned base that makes the span grow least; ties go to the nearer edge."""
        align = self.align
        candidates = [-(-low // align) * align, (high - extent) // align * align]
        for start, stop in taken:
            candidates.append(start // align * align)
            candidates.append(-(-stop // align) * align)
        starts = [start for start, _ in taken]
        best: tuple[int, int, int] | None = None
        least = math.inf
        for base in candidates:
            stop = base + extent
            growth = (high if high > stop else stop) - (low if low < base else base)
            # First what is cheap to know: this is the innermost loop of planning.
            if growth > least:
                continue
            before = bisect_left(starts, base) - 1
            if before >= 0 and taken[before][1] > base:
                continue
            edge = min(abs(base - low), abs(high - stop))
            value = (growth, -edge if outward else edge, base)
            if best is None or value < best:
                best, least = value, growth
        assert best is not None  # the outermost candidates are always free
        return best[2]

    def improve(self, start: Placed, bound: int, tries: int, seed: int = 0) -> Placed:
        """Fail-first repair of `start` until `bound` (bytes) is met or `tries` are used up."""
        rng = random.Random(seed)
        best, current, good = start, list(start.order), list(start.order)
        grower = start.grower
        for attempt in range(tries):
            if best.span < bound + self.align:
                break
            name = grower if rng.random() < 0.7 else rng.choice(current)
            place = current.index(name)
            current.pop(place)
            earlier = rng.randrange(max(1, place)) if rng.random() < 0.8 else None
            current.insert(rng.randrange(len(current) + 1) if earlier is None else earlier, name)
            result = self.place(current, best.span, rng if attempt % 3 == 0 else None)
            if isinstance(result, Placed):
                best, good, grower = result, list(current), result.grower
            else:
                grower = result
                if attempt % 8 == 7:
                    current = list(good)
        return best

    def search(self, leading: Sequence[str], bound: int, tries: int, seed: int = 0) -> Placed:
        """Best of several orders (`leading` items first or nearly so), then repaired."""
        rng = random.Random(seed)
        rest = sorted(
            (name for name in self.items if name not in leading),
            key=lambda name: (-self.items[name].extent, name),
        )
        best: Placed | None = None
        for attempt in range(tries):
            if attempt == 0:
                order = [*leading, *rest]
            elif attempt == 1:
                order = [*rest[:2], *leading, *rest[2:]]
            else:
                weight = {
                    name: item.extent * rng.uniform(0.3, 1.7) for name, item in self.items.items()
                }
                ranked = sorted(weight, key=lambda name: -weight[name])
                if attempt % 2:
                    order = ranked
                else:
                    order = [*leading, *(name for name in ranked if name not in leading)]
            result = self.place(
                order, None if best is None else best.span, rng if attempt > 1 else None
            )
            if isinstance(result, Placed):
                best = result
                if best.span < bound + self.align:
                    break
        assert best is not None  # the first attempt has no limit
        return self.improve(best, bound, 2 * tries, seed)
