"""Requantisation as one product whose ends are cut off; the constant of the line is in the bias.

As a `ramp`, this is a line that passes all steps of the reference at the same sums. Where a sum
begins with its bias at no cost (`sdot`), it does so with the constant: what is `added` to the bias
is multiplied with it, and moves the line by any fraction of a step. It also moves it by whole
steps, too many of them; those are a multiple of `2**16`, which is cut off with the upper half when
int32 is narrowed to int16. What is left is a product and `shrn`, which cuts off the fraction: no
rounding, no zero point, and neither a shift by lanes nor `uzp1`.

All channels have one shift, so factors that lie far apart leave too few bits to those of the
smallest; then there is no such line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.integer import live_shifts
from edgemnv2.schedules.neon.known import Known
from edgemnv2.schedules.neon.ramp import first_sums

__all__ = ["CutLine", "cut_line_of"]

Array = NDArray[Any]
_SHORT = 16
"""Bits that are left of the product."""
_LIMIT = (1 << 31) - 1
_LEAST_DOWN, _MOST_DOWN = 1, 14
"""Of `shrn`; and to which multiples of `2**16` steps are found within int32, a few at least."""
_ALWAYS = 1 << 62
"""A bound beyond all others; what is added to it stays in int64."""
_FURTHEST = 100
"""Units by which multipliers differ from nominal ones, at most."""
_MOST_PLACES = 64
"""Multiples of `2**16` steps on either side of nought that are tried."""
_TURNS = (0, *(sign * turn for turn in range(1, _FURTHEST + 1) for sign in (1, -1)))


@dataclass(frozen=True, eq=False)
class CutLine:
    """`(((acc + added) * multiplier) >> 31) >> down`: its lower 16 bits are the output.

    int64 `[C]` each; the product is that of `sqdmulh`, and no sum leaves int32. The output is int16
    with its zero point, and is to be clamped.
    """

    down: int
    multiplier: Array
    added: Array


_LINES: Known[CutLine | None] = Known()


def cut_line_of(
    requantize: Requantize, zero_point: int, clamp: tuple[int, int], span: tuple[Array, Array]
) -> CutLine | None:
    """A line for sums in `span` (with bias), or None."""
    return _LINES.of(
        requantize,
        span,
        (zero_point, clamp),
        lambda: _found(requantize, zero_point, clamp, span),
    )


def _found(
    requantize: Requantize, zero_point: int, clamp: tuple[int, int], span: tuple[Array, Array]
) -> CutLine | None:
    live = live_shifts(requantize)
    if not live.size or clamp[0] >= clamp[1]:
        return None
    down = -int(live.max())
    if not _LEAST_DOWN <= down <= _MOST_DOWN:
        return None
    outputs = np.arange(clamp[0] + 1, clamp[1] + 1, dtype=np.int64)
    first = first_sums(requantize, outputs - zero_point, span)
    if first is None:
        return None
    low, high = (np.asarray(end, np.int64) for end in span)
    reach = np.maximum(-low, high)
    # Of a dead channel all sums have one output: they lie within half a step.
    flat = (np.int64(1) << (31 + down)) // (4 * reach + 4)
    dead = requantize.multiplier == 0
    less = np.where(dead, 0, -down - requantize.shift.astype(np.int64))
    scaled = np.asarray(requantize.multiplier, np.int64) >> np.minimum(less, 31)
    nominal = np.clip(np.where(dead, flat, scaled), 1, _LIMIT)
    steps = _Steps.of(first, outputs, low, high, down)
    multiplier, added = np.zeros_like(nominal), np.zeros_like(nominal)
    pending = np.arange(nominal.size)
    for turn in _TURNS:
        tried = np.clip(nominal[pending] + turn, 1, _LIMIT)
        least, most = steps.constants(pending, tried)
        extra, good = _added(least, most, tried, _LIMIT - reach[pending], down)
        done = pending[good]
        multiplier[done], added[done] = tried[good], extra[good]
        pending = pending[~good]
        if not pending.size:
            return CutLine(down, multiplier, added)
    return None


@dataclass(frozen=True, eq=False)
class _Steps:
    """`first[n, c]`: the least sum of channel `c` whose output is at least that of row `n`.

    `reached` and `missed` are that output in fractions of a step, or a bound that holds always:
    sums lie in `low .. high`, a step at `low` was taken before, one at `high + 1` never is. `short`
    is one step more than int16 has above nought.
    """

    first: Array
    reached: Array
    missed: Array
    low: Array
    high: Array
    short: int

    @staticmethod
    def of(first: Array, outputs: Array, low: Array, high: Array, down: int) -> _Steps:
        target = outputs[:, np.newaxis] << (31 + down)
        reached = np.where(first <= high, target, -_ALWAYS)
        missed = np.where(first > low, target, _ALWAYS)
        return _Steps(first, reached, missed, low, high, 1 << (_SHORT - 1 + 31 + down))

    def constants(self, channels: Array, multiplier: Array) -> tuple[Array, Array]:
        """Least and greatest constant, in fractions of a step, with which a line of `multiplier`
        passes every step of `channels` and stays in int16."""
        product = self.first[:, channels] * multiplier
        least = (self.reached[:, channels] - product).max(axis=0)
        most = (self.missed[:, channels] - product).min(axis=0) + multiplier - 1
        lowest = -self.short - self.low[channels] * multiplier
        highest = self.short - 1 - self.high[channels] * multiplier
        return np.maximum(least, lowest), np.minimum(most, highest)


def _added(
    least: Array, most: Array, multiplier: Array, room: Array, down: int
) -> tuple[Array, Array]:
    """What to add to the bias for a constant in `least .. most` beside multiples of `2**16` steps,
    the nearest to nought; and for which channels there is such a number, of at most `room`."""
    whole = 1 << (_SHORT + 31 + down)
    furthest = min(_MOST_PLACES, (1 << 62) // whole)
    beyond = whole * np.array(sorted(range(-furthest, furthest + 1), key=abs))[:, np.newaxis]
    found, good = np.zeros_like(least), least <= most
    some = np.flatnonzero(good)
    extra = -(-(least[some] + beyond) // multiplier[some])
    fits = (extra * multiplier[some] - beyond <= most[some]) & (np.abs(extra) <= room[some])
    found[some] = extra[fits.argmax(axis=0), np.arange(some.size)]
    good[some] = fits.any(axis=0)
    return found, good
