"""Requantisation as one straight line: for every sum that can occur, the steps of the reference.

A clamped output is a staircase of its sum: for each output there is a least sum. Any line that, cut
off, passes each of these steps at the same sum gives the same bytes, however the reference rounds.
A product without rounding and a constant per channel are such a line in fixed point with 16 bits of
fraction, mostly: steps are `2**(16 - shift)` high and 255 of them have to be met. That leaves about
a 256th of a step as room, so multiplier, constant and what is added to the bias are searched, and
proven at all steps in the integers of the code.

The line also takes the zero point, and may take the bias, which saves an addition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import rescaled
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.integer import live_shifts
from edgemnv2.schedules.neon.known import Known

__all__ = ["MOST_FINE", "UNITS", "Ramp", "first_sums", "ramp_of"]

Array = NDArray[Any]
UNITS = 16
"""Bits of fraction: what is above them is the output."""
MOST_FINE = 4
"""More of them at most, where sums leave room: lines then meet their steps more often."""
_LIMIT = (1 << 31) - 1
_MOST_RIGHT = -31
"""Shifts down to which 64 bits hold the products and their halves."""
_MOST_ADDED = 96
"""To a bias, at most: they come to as many fractions of a unit."""
_TRIALS = tuple((turn, extra) for turn in (0, 1, -1, 2, -2) for extra in range(_MOST_ADDED + 1))
"""Units by which multipliers differ from nominal ones, and what is added to sums, in this order."""
_FOLDED_TRIALS: tuple[tuple[int | None, int], ...] = ((0, 0), (None, 0))
"""Nothing can be added to a bias that is not there; None: as `_turned` finds."""
_FURTHEST = 400
"""Units of the multiplier to which a line with the bias in it may turn, tried all at once."""
_TIGHTEST = 24
"""Steps, of 255, at which those are tried; where they pass, the proof is at all."""
_LEAST = 1 << 63 - 2
"""A bound that holds always."""


@dataclass(frozen=True, eq=False)
class Ramp:
    """`((((acc + added) << up) * multiplier) >> 31) + offset`, its upper 16 bits `>> fine`.

    int64 `[C]` each; the product is that of `sqdmulh`, and no sum leaves int32 anywhere. The output
    has its zero point, and is to be clamped. If `folded`, `acc` has no bias, and `added` is nought.
    """

    up: int
    multiplier: Array
    offset: Array
    added: Array
    folded: bool
    fine: int


_RAMPS: Known[Ramp | None] = Known()


@dataclass(frozen=True, eq=False)
class _Steps:
    """`first[n, c]`: the least sum of channel `c` whose output is at least `targets[n] >> bits`.

    Sums lie in `low .. high`; a step at `low` was taken before, one at `high + 1` never is.
    """

    targets: Array
    first: Array
    low: Array
    high: Array

    def of(self, channels: Array) -> _Steps:
        return _Steps(
            self.targets, self.first[:, channels], self.low[channels], self.high[channels]
        )

    def less(self, bias: Array) -> _Steps:
        """The same for sums without their bias."""
        return _Steps(self.targets, self.first - bias, self.low - bias, self.high - bias)

    def offsets(self, up: int, multiplier: Array, added: int) -> tuple[Array, Array]:
        """Least and greatest offset with which a line passes every step, int64 `[C]`."""
        below, above = (((self.first - one + added) << up) * multiplier >> 31 for one in (1, 0))
        target = self.targets[:, np.newaxis]
        least = np.where(self.first <= self.high, target - above, -_LEAST).max(axis=0)
        most = np.where(self.first > self.low, target - 1 - below, _LEAST).min(axis=0)
        return least, most


def first_sums(requantize: Requantize, heights: Array, span: tuple[Array, Array]) -> Array | None:
    """`[len(heights), C]`: the least sum in `span` with an output of at least each of `heights`.

    Without zero point. One beyond the span where no sum reaches it; None where three sums about the
    real quotient are not enough to find it.
    """
    low, high = (np.asarray(end, np.int64) for end in span)
    dead = requantize.multiplier == 0
    multiplier = np.where(dead, 1, requantize.multiplier.astype(np.int64))
    factor = multiplier * 2.0 ** (requantize.shift.astype(np.float64) - 31)
    addend = 0 if requantize.addend is None else requantize.addend
    quotient = np.ceil((heights[:, np.newaxis] - 0.5) / factor - addend / multiplier)
    # Where all outputs are one, the step is at either end.
    quotient = np.where(dead, np.where(heights[:, np.newaxis] > 0, high + 2, low), quotient)
    start = np.clip(quotient - 2, low, high).astype(np.int64)
    count = np.zeros_like(start)
    for i in range(3):
        at = start + i
        count += (at <= high) & (rescaled(np.minimum(at, high), requantize) < heights[:, None])
    found = ((count > 0) | (start == low)) & ((count < 3) | (start + 3 > high))
    return start + count if bool(found.all()) else None


def ramp_of(
    requantize: Requantize,
    zero_point: int,
    clamp: tuple[int, int],
    span: tuple[Array, Array],
    bias: Array | None = None,
    most_fine: int = 0,
) -> Ramp | None:
    """A line for sums in `span` (with bias), or None. It takes `bias` in, if given and possible.

    `most_fine`: how many bits what is left of the output may be shifted down at the end.
    """
    return _RAMPS.of(
        requantize,
        (*span, bias),
        (zero_point, clamp, most_fine),
        lambda: _found(requantize, zero_point, clamp, span, bias, most_fine),
    )


def _found(
    requantize: Requantize,
    zero_point: int,
    clamp: tuple[int, int],
    span: tuple[Array, Array],
    bias: Array | None,
    most_fine: int,
) -> Ramp | None:
    live = live_shifts(requantize)
    if not live.size or live.max() > 0 or clamp[0] >= clamp[1]:
        return None
    if int(np.min(requantize.shift)) < _MOST_RIGHT:
        return None
    heights = np.arange(clamp[0] + 1, clamp[1] + 1, dtype=np.int64) - zero_point
    first = first_sums(requantize, heights, span)
    if first is None:
        return None
    low, high = (np.asarray(end, np.int64) for end in span)
    for folded in (True, False) if bias is not None else (False,):
        for fine in sorted({most_fine, min(1, most_fine), 0}, reverse=True):
            bits = UNITS + fine
            up = int(np.clip(bits + live.max(), 0, 31))
            steps = _Steps(heights << bits, first, low, high)
            dead = requantize.multiplier == 0
            down = np.where(dead, 0, bits + requantize.shift.astype(np.int64) - up)
            if down.max() > 0:
                continue
            half = (np.int64(1) << -down) >> 1
            multiplier = np.asarray((requantize.multiplier.astype(np.int64) + half) >> -down)
            some = steps.less(bias) if folded and bias is not None else steps
            ramp = _search(some, up, multiplier, zero_point, folded=folded, fine=fine)
            if ramp is not None:
                return ramp
    return None


def _search(
    steps: _Steps, up: int, nominal: Array, zero_point: int, *, folded: bool, fine: int
) -> Ramp | None:
    """The first line tried for each channel that passes its steps, if all stay in int32."""
    reach = np.maximum(-steps.low, steps.high) + (0 if folded else _MOST_ADDED)
    if ((reach << up) > _LIMIT).any():
        return None
    multiplier, added = nominal.copy(), np.zeros_like(nominal)
    offset, pending = np.zeros_like(nominal), np.arange(nominal.size)
    for turned, extra in _FOLDED_TRIALS if folded else _TRIALS:
        some = steps.of(pending)
        tried = nominal[pending]
        tried = np.clip(tried + (_turned(some, up, tried) if turned is None else turned), 0, _LIMIT)
        least, most = some.offsets(up, tried, extra)
        good = least <= most
        done = pending[good]
        multiplier[done], added[done] = tried[good], extra
        offset[done] = np.where(least > -_LEAST, least, most)[good]
        pending = pending[~good]
        if not pending.size:
            break
    if pending.size or (np.abs(offset) > _LIMIT).any():
        return None
    offset = offset + (zero_point << (UNITS + fine))
    for end in (steps.low, steps.high):
        line = (((end + added) << up) * multiplier >> 31) + offset
        if (np.maximum(np.abs(line), np.abs(offset)) > _LIMIT).any():
            return None
    return Ramp(up, multiplier, offset, added, folded, fine)


def _turned(steps: _Steps, up: int, nominal: Array) -> Array:
    """For each channel the turn that leaves most room for a whole offset at the tightest steps."""
    turns = np.arange(-_FURTHEST, _FURTHEST + 1)
    best = np.zeros_like(nominal)
    target = steps.targets
    for c in range(nominal.size):
        low, high, first = steps.low[c], steps.high[c], steps.first[:, c]
        above = first[first <= high] << up
        below = (first[first > low] - 1) << up
        if not above.size or not below.size:
            continue
        lower = target[first <= high] - (above * nominal[c] >> 31)
        upper = target[first > low] - 1 - (below * nominal[c] >> 31)
        # Stable: which of equal ones come first must not depend on the processor's way to sort.
        lows, highs = (np.argsort(x, kind="stable")[:_TIGHTEST] for x in (-lower, upper))
        slope = nominal[c] + turns[:, np.newaxis]
        least = (target[first <= high][lows] - (above[lows] * slope >> 31)).max(axis=1)
        most = (target[first > low][highs] - 1 - (below[highs] * slope >> 31)).min(axis=1)
        best[c] = turns[np.argmax(most - least)]
    return best
