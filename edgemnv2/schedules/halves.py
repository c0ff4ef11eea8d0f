"""Which sums meet a half that goes to an even number, and what biases have below a whole step.

`product = acc * m + addend`, rounded by `b = 31 - shift` bits: where the lower `b` bits of the
product are a half, it goes to the even neighbour. With `z` trailing zeros in `m` that is so for one
residue of `acc` modulo `2**(b - z)`. Mostly no sum is as large as that; where none is, halves may
go anywhere, and they go upwards, which is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tvm import tirx

from edgemnv2.arithmetic.onnx import FRACTION_BITS
from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.tir.builder import Builder, constant

__all__ = ["Halves", "corrected", "fractions_of", "halves_of", "span_of"]

Array = NDArray[Any]
Expr = Any
NEVER = (0, 1)
"""Mask and residue of a channel that meets no half."""


@dataclass(frozen=True, eq=False)
class Halves:
    """`acc & mask == residue` where a channel meets a half; int32 `[C]` each."""

    mask: Array
    residue: Array

    def doubled(self) -> Halves:
        """The same for accumulators times two."""
        return Halves(self.mask * 2, self.residue * 2)


def span_of(weight: Array, bias: Array, dtype: str = "int8") -> tuple[Array, Array]:
    """Least and greatest `sum(x * w) + bias` of every channel; int64 `[C]` each.

    `weight` `[..., C]`, `bias` with the input's zero point folded in, `x` any value of `dtype`.
    """
    limits = np.iinfo(dtype)
    wide = weight.astype(np.int64).reshape(-1, weight.shape[-1])
    positive, negative = np.maximum(wide, 0).sum(axis=0), np.minimum(wide, 0).sum(axis=0)
    base = np.asarray(bias, np.int64)
    low = base + int(limits.min) * positive + int(limits.max) * negative
    high = base + int(limits.max) * positive + int(limits.min) * negative
    return low, high


def halves_of(factor: Requantize, span: tuple[Array, Array]) -> Halves | None:
    """Where the channels meet halves that go to even; None where none does."""
    if factor.rounding != "even":
        return None
    addends = np.zeros_like(span[0]) if factor.addend is None else factor.addend
    table = np.tile(np.array(NEVER, np.int64), (len(factor.multiplier), 1))
    # Odd factors that shift to the right meet a half at 2**31 first, without an addend.
    safe = (factor.multiplier % 2 == 1) & (factor.shift <= -1) & (addends == 0)
    for channel in np.flatnonzero(~safe):
        numbers = (factor.multiplier, factor.shift, addends, *span)
        table[channel] = _half(*(int(x[channel]) for x in numbers))
    if (table == NEVER).all():
        return None
    words = table.astype(np.int32)
    return Halves(words[:, 0], words[:, 1])


def _half(multiplier: int, shift: int, addend: int, low: int, high: int) -> tuple[int, int]:
    """Mask and residue of one channel whose sums lie in `low .. high`."""
    bits = 31 - shift
    target = ((1 << (bits - 1)) - addend) % (1 << bits)
    if not multiplier:
        return (0, 0) if target == 0 else NEVER
    zeros = (multiplier & -multiplier).bit_length() - 1
    if target % (1 << min(zeros, bits)):
        return NEVER
    period = 1 << max(bits - zeros, 0)
    residue = (target >> zeros) * pow(multiplier >> zeros, -1, period) % period
    if low + (residue - low) % period > high or period > 1 << 31:
        return NEVER
    return period - 1, residue


def fractions_of(factor: Requantize) -> Array | None:
    """What the addend is in parts of a step of the sum, `2**-FRACTION_BITS` each, int64 `[C]`.

    `acc * m + addend` and `((acc << FRACTION_BITS) + fraction) * m`, shifted by as many bits more,
    round alike. None for an addend that is more than a step.
    """
    multiplier = factor.multiplier.astype(np.int64)
    if factor.addend is None:
        return np.zeros_like(multiplier)
    scale = 1 << FRACTION_BITS
    small = (factor.addend >= 0) & (factor.addend < np.maximum(multiplier, 1))
    if not small.all():
        return None
    fraction = -(-factor.addend * scale // np.maximum(multiplier, 1))
    same = (fraction * multiplier) >> FRACTION_BITS == factor.addend
    return fraction if bool((same & (fraction < scale)).all()) else None


def corrected(
    k: Builder, result: Expr, acc: Expr, mask: Expr, residue: Expr, lanes: int, odd: int = 0
) -> Expr:
    """`result`, whose halves went upwards, with halves to even.

    `odd`: 1 where the result has an odd zero point in it already.
    """
    zero, one = constant(0, "int32", lanes), constant(1, "int32", lanes)
    parity = (result ^ one) & one if odd else result & one
    off = (acc & mask) ^ residue
    return k.let(result - k.let(tirx.Select(tirx.EQ(k.let(off), zero), k.let(parity), zero)))
