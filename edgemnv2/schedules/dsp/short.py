"""Records of channels that take less flash: offsets follow from the output's zero point and shift.

What `requantize.py` finds for a channel is a multiplier, an offset and a shift, a word each. Of
channels that it did not have to help, the offset is `(2 zy + 1 << shift) / 2` and a half that all
share: so a byte of shift is enough (`runtime/kernels/cortex_m_short.h`). Channels of one shift
(`COMMON_SHIFT`) have halves of their own instead, at most 64: a byte, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.schedules.dsp.requantize import COMMON_SHIFT, SCALE_BITS, Channels

__all__ = ["SHORT", "Short", "short_of"]

Array = NDArray[Any]

SHORT = "SHORT"
"""The decision for such records, under "records" (a fused depthwise layer's: "window_records")."""
_CONSTANT_BITS = 30
"""A constant channel's multiplier, as a power of two: its bias makes the output."""


@dataclass(frozen=True, eq=False)
class Short:
    """`multiplier` int64 `[C]`; `byte` `[C]`, the shift or, of `COMMON`, the half.

    `twice` is `2 zy + 1`, `half` what all share (0 of `COMMON`). `bias` int64 `[C]` is to be added
    to the biases: what constant channels' outputs come from. `kernel` is the name of the arithmetic
    in `cortex_m_short.h`: PLAIN, FIXED, ONCE or COMMON.
    """

    multiplier: Array
    byte: Array
    twice: int
    half: int
    bias: Array
    kernel: str

    def pairs(self) -> Array:
        """The ends of the records of every two channels, int32 `[C / 2, 3]`."""
        odd = self.multiplier.size % 2
        multiplier, byte = np.pad(self.multiplier, (0, odd)), np.pad(self.byte, (0, odd))
        packed = byte[0::2] | byte[1::2] << 8 | (self.twice & 0xFFFF) << 16
        packed = packed.astype(np.uint32).view(np.int32)
        return np.stack([multiplier[0::2], multiplier[1::2], packed], axis=1).astype(np.int32)


def short_of(channels: Channels, zero_point: int, scale_bits: int | Array) -> Short | None:
    """`channels`, whose sums are scaled by `2**scale_bits`, in short; None where they are not so.

    `scale_bits` of each channel (int64 `[C]`): those of `common_shift`.
    """
    if channels.halves is not None:
        return None
    live, twice = ~channels.constant, 2 * zero_point + 1
    bits = np.broadcast_to(scale_bits, live.shape)
    is_common = not isinstance(scale_bits, int)
    shift = np.where(live, channels.shift, COMMON_SHIFT if is_common else SCALE_BITS)
    rest = np.where(live, channels.offset - (twice << shift >> 1), 0)
    if is_common:
        byte, half, kernel = rest, 0, "COMMON"
    else:
        byte, half = shift, int(rest[live][0]) if live.any() else 0
        if (rest[live] != half).any():
            return None
        kernel = "FIXED" if channels.sign_fix else "PLAIN" if half else "ONCE"
        if half not in ((1 << scale_bits - 2,) if kernel != "ONCE" else (0,)):
            return None
    if byte.min() < 0 or byte.max() > 0xFF or shift.max() > 31:
        return None
    outputs = (channels.offset >> channels.shift) - zero_point
    bias = np.where(live, 0, outputs << (shift + 32 - _CONSTANT_BITS - bits))
    multiplier = np.where(live, channels.multiplier, 1 << _CONSTANT_BITS)
    return Short(multiplier, byte, twice, half, bias, kernel)
