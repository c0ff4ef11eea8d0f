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
from edgemnv2.arithmetic.requantize import Requantize
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

    @property
    def kind(self) -> str:
        """Which kernels compute it."""
        return "EVEN" if self.even else "FIXED" if self.sign_fix else "PLAIN"


def channels_of(
    factor: Requantize, zero_point: int, clamp: tuple[float, float], span: tuple[Array, Array]
) -> Channels | None:
    """The words of every channel, or None where a channel shifts left or the fix does not fit all.

    ONNX's: or where a sum meets a half (`span`: the least and greatest sums), or a bias is finer.
    A dead channel (multiplier 0) gives 0 under any shift; -1 suits the sign fix.
    """
    live = factor.multiplier != 0
    shift = np.where(live, factor.shift, -1).astype(np.int32)
    if factor.rounding == "even":
        if shift.max() > -1 or factor.addend is not None or halves_of(factor, span) is not None:
            return None
        return Channels(factor.multiplier.astype(np.int32), shift, sign_fix=False, even=True)
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
