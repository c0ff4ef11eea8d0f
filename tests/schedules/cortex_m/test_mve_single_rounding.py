"""Factors that round once: the MVE form is taken where it is exact, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgemnv2.arithmetic.fixed_point import make_requantize
from edgemnv2.schedules.mve.requantize import channels_of

SPAN = np.array([-(1 << 20)]), np.array([1 << 20])


def once(n: float):
    return replace(make_requantize([1.0 / n]), rounding="once")


@pytest.mark.parametrize("n", [3, 5, 45, 301, 1023, 4095])
def test_one_over_an_odd_number_rounds_once_with_one_accumulator_less(n):
    factor = once(n)
    channels = channels_of(factor, 0, (-128, 127), SPAN)
    assert channels is not None
    assert (channels.excess, channels.sign_fix) == (1, False)
    accumulators = np.arange(-200 * n, 200 * n, dtype=np.int64)
    high = ((accumulators - channels.excess) * int(channels.multiplier[0]) + (1 << 30)) >> 31
    right = -int(channels.shift[0])
    kernel = (high + (1 << right >> 1)) >> right
    np.testing.assert_array_equal(kernel, np.rint(accumulators / n))


@pytest.mark.parametrize("n", [4, 46, 300, 77.3])
def test_other_factors_have_no_form(n):
    assert channels_of(once(n), 0, (-128, 127), SPAN) is None
