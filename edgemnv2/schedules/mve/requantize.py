"""Requantisation for VQRDMULH (ONNX: VQDMULH) and VRSHL: the factors as they are, right shifts.

Factors that round once have a form here where one accumulator less makes up for what the first of
the two roundings adds (one half to one accumulator, upwards for either sign without the sign fix).
That depends on the factor; networks of `edgemnv2 quantize` have such ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import one_less_rounds_once
from edgemnv2.arithmetic.onnx import FRACTION_BITS
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.schedules.dsp.matmul import wrap
from edgemnv2.schedules.halves import halves_of

__all__ = ["Channels", "channels_of"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Channels:
    """`multiplier` and `shift` (0 or less: VRSHL shifts to the left) int32 `[C]`."""

    multiplier: Array
    shift: Array
    sign_fix: bool
    """Whether negative values must be made one smaller before their shift."""
    excess: int = 0
    """What is taken off every bias."""
    even: bool = False
    """Whether the kernels are those of ONNX's one rounding."""
    rest: Array | None = None
    """Of the biases, in `1 / 2**FRACTION_BITS` of a sum's step; None where all are whole steps."""

    @property
    def kind(self) -> str:
        """Which kernels compute it."""
        if self.even:
            return "EVEN" if self.rest is None else "FINE"
        return "FIXED" if self.sign_fix else "PLAIN"

    def words(self, bias: Array) -> Array:
        """Bias, multiplier and shift as the kernels read them, int32 `[C, 3]`."""
        bias = bias.astype(np.int64) - self.excess
        if self.rest is not None:
            bias = (bias << FRACTION_BITS) + self.rest
        return np.stack([wrap(bias), self.multiplier, self.shift], axis=1).astype(np.int32)


def channels_of(
    factor: Requantize, zero_point: int, clamp: tuple[float, float], span: tuple[Array, Array]
) -> Channels | None:
    """The words of every channel, or None where a channel shifts left or the fix does not fit all.

    ONNX's: or where a sum meets a half (`span`: the least and greatest sums), or 32 bits do not
    hold a sum in the steps of a bias that is finer. A dead channel (multiplier 0) gives 0 under
    any shift; -1 suits the sign fix.
    """
    live = factor.multiplier != 0
    shift = np.where(live, factor.shift, -1).astype(np.int32)
    if factor.rounding == "even":
        if halves_of(factor, span) is not None:
            return None
        rest = None if factor.addend is None else _rest(factor, span)
        if factor.addend is not None and rest is None:
            return None
        shift = shift if rest is None else shift - FRACTION_BITS
        if shift.max() > -1:
            return None
        multiplier = factor.multiplier.astype(np.int32)
        return Channels(multiplier, shift, sign_fix=False, even=True, rest=rest)
    if factor.single_rounding:
        if not one_less_rounds_once(factor.multiplier[live], shift[live]).all():
            return None
        return Channels(factor.multiplier.astype(np.int32), shift, sign_fix=False, excess=1)
    if shift.max() > 0:
        return None
    sign_fix = clamp[0] < zero_point
    if sign_fix and shift.max() == 0:
        return None
    return Channels(factor.multiplier.astype(np.int32), shift, sign_fix)


def _rest(factor: Requantize, span: tuple[Array, Array]) -> Array | None:
    """What is to be added to every sum, in fractions of its step, for the factor's addend.

    With it the sum times the multiplier is product and addend to the last bit that is kept: the
    addend is the fraction times the multiplier, cut off.
    """
    assert factor.addend is not None
    multiplier, steps = factor.multiplier.astype(np.int64), 1 << FRACTION_BITS
    if (np.abs(np.stack(span)) >= (1 << 31 - FRACTION_BITS) - 1).any():
        return None
    if (factor.addend < 0).any() or (factor.addend > multiplier).any():
        return None
    # The least one whose product reaches the addend.
    rest: Array = -(-(factor.addend << FRACTION_BITS) // np.maximum(multiplier, 1))
    alike = (rest < steps) & ((rest * multiplier) >> FRACTION_BITS == factor.addend)
    return rest if alike.all() else None
