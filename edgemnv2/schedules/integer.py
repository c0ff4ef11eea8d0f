"""What integer kernels of every family work out of a layer before any code is made."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize

__all__ = ["folded_bias", "largest_sum", "live_shifts", "rounds_to_the_right"]

Array = NDArray[Any]


def folded_bias(bias: Array, weight: Array, zero_point: int) -> Array:
    """int64 `[C]`: the bias with which the input's zero point is taken off every product.

    `sum((x - z) * w) + b = sum(x * w) + (b - z * sum(w))`. `weight` is `[..., C]`, by what one
    output sums over and its channel; zeros that complete it do no harm.
    """
    wide = weight.astype(np.int64).reshape(-1, weight.shape[-1])
    return np.asarray(np.asarray(bias, np.int64) - zero_point * wide.sum(axis=0), np.int64)


def live_shifts(requantize: Requantize) -> Array:
    """Shifts (to the left) of the channels whose factor is not zero."""
    live = np.asarray(requantize.multiplier) != 0
    return np.asarray(np.asarray(requantize.shift)[live])


def rounds_to_the_right(requantize: Requantize) -> bool:
    """Whether factors that round once all shift to the right; those that round twice need not."""
    return requantize.rounding != "once" or bool((live_shifts(requantize) <= -1).all())


def largest_sum(weight: Array, bias: Array) -> int:
    """A bound on the accumulators: |bias| plus 255 times the weights' magnitudes."""
    magnitude = np.abs(weight.astype(np.int64)).reshape(-1, weight.shape[-1]).sum(axis=0)
    return int((np.abs(bias.astype(np.int64)) + 255 * magnitude).max())
