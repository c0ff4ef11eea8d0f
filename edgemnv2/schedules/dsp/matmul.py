"""The streamed matrix product that pointwise, dense and 3x3 convolutions share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.graph import Requantize
from edgemnv2.schedules.dsp.requantize import Channels, channels_of, reachable

__all__ = ["BYTES", "HALVES", "MatMul", "fits_bytes", "matmul_of"]

Array = NDArray[Any]

BYTES, HALVES = "BYTES", "HALVES"
SIGN_FIX, CHANNEL_ROWS, ODD_CHANNELS = 1, 2, 4
"""Flags of `cortex_m_base.h`."""
GROUP = (0, 2, 1, 3)
"""Order of four input channels after SXTB16."""


@dataclass(frozen=True, eq=False)
class MatMul:
    """`weight` `[K, N]` int16, `bias` `[N]` int64 with the input's zero point folded in."""

    weight: Array
    bias: Array
    channels: Channels

    @property
    def depth(self) -> int:
        """K."""
        return int(self.weight.shape[0])

    @property
    def groups(self) -> int:
        """Groups of four input channels, the last one completed with zeros."""
        return -(-self.depth // 4)

    def words_bytes(self, pixels: int) -> int:
        """Bytes of the widened activations of a tile."""
        return self.groups * 8 * pixels

    def stream(self, kind: str, stride: int, channel_rows: bool) -> Array:
        """The constants of `cortex_m_pointwise.h`, int32."""
        depth, count = self.weight.shape
        even = count + count % 2
        weight = np.zeros((self.groups * 4, even), np.int16)
        weight[:depth, :count] = self.weight
        # [pairs, 2 input channels, N / 2, 2 output channels]
        pairs = weight.reshape(self.groups, 4, even)[:, GROUP].reshape(-1, 2, even // 2, 2)
        bias = np.zeros(even, np.int64)
        bias[:count] = self.bias
        words = np.zeros((even, 3), np.int32)
        words[:count] = self.channels.words()
        first, second = bias[0::2], bias[1::2]
        if kind == BYTES:
            packed = (pairs[..., 0].astype(np.int32) + 256 * pairs[..., 1]).astype(np.int16)
            second = first + 256 * second
            # [N / 2, pairs, 2]
            packed = packed.transpose(2, 0, 1)
        else:
            first, second = 256 * first, 256 * second
            # [N / 2, pairs, 2 output channels, 2 input channels]
            packed = pairs.transpose(2, 0, 3, 1)
        body = np.ascontiguousarray(packed).reshape(even // 2, -1).view(np.int32)
        biases = np.stack([first, second], axis=1)
        records = np.concatenate(
            [wrap(biases), body, words.reshape(even // 2, 6)], axis=1, dtype=np.int32
        )
        record_bytes = records.shape[1] * 4
        flags = SIGN_FIX * self.channels.sign_fix + CHANNEL_ROWS * channel_rows
        flags += ODD_CHANNELS * (count % 2)
        header = [self.groups * 2, count // 2 * record_bytes, stride, flags | record_bytes << 8]
        return np.concatenate([np.array(header, np.int32), records.reshape(-1)])


def wrap(values: Array) -> Array:
    """int64 values modulo 2**32, as int32."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def fits_bytes(weight: Array) -> bool:
    """Whether every two output channels' weights fit into `w0 + 256 * w1`, an int16."""
    count = weight.shape[1]
    padded = np.zeros((weight.shape[0], count + count % 2), np.int32)
    padded[:, :count] = weight
    if abs(padded).max(initial=0) > 128:
        return False
    both = padded[:, 0::2] + 256 * padded[:, 1::2]
    return bool(both.min() >= -(1 << 15) and both.max() < 1 << 15 and padded.max() < 128)


def matmul_of(
    weight: Array,
    bias: Array,
    factor: Requantize,
    zero_points: tuple[int, int],
    clamp: tuple[float, float],
) -> MatMul | None:
    """The product for `weight` `[K, N]`, or None where its sums or factors are out of range.

    `zero_points` are the input's and the output's.
    """
    span = reachable(weight, bias, zero_points[0])
    channels = channels_of(factor, span, zero_points[1], clamp)
    if channels is None or abs(weight.astype(np.int64)).max(initial=0) > 255:
        return None
    folded = np.asarray(bias, np.int64) - zero_points[0] * weight.astype(np.int64).sum(axis=0)
    return MatMul(np.ascontiguousarray(weight, np.int16), folded, channels)
