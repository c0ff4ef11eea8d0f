"""The streamed matrix product that pointwise, dense and 3x3 convolutions share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.requantize import Requantize
from edgemnv2.ops.convolution.layer import Conv2D
from edgemnv2.ops.graph import Graph
from edgemnv2.schedules.dsp.requantize import (
    SCALE_BITS,
    Channels,
    channels_of,
    common_shift,
    reachable,
    room_bits,
)
from edgemnv2.schedules.dsp.rows import int8_io, int8_zero_point
from edgemnv2.schedules.dsp.short import Short, short_of
from edgemnv2.schedules.integer import folded_bias
from edgemnv2.tir.row_function import At, Call

__all__ = ["BYTES", "HALVES", "QUADS", "MatMul", "matmul_of"]

Array = NDArray[Any]

BYTES, HALVES, QUADS = "BYTES", "HALVES", "QUADS"
"""How weights lie: two channels in one int16, int16 each, or bytes of four channels."""
SIGN_FIX, CHANNEL_ROWS, ODD_CHANNELS = 1, 2, 4
"""Flags of `cortex_m_base.h`."""
GROUP = (0, 2, 1, 3)
"""Order of four input channels after SXTB16."""
_FEW = 32
"""Output channels below which weights of uint8 files keep their 16 bits."""
SUM_WORDS = 126
"""Pairs of activations whose sum fits into an int16 (`edgemnv2_sums`)."""


@dataclass(frozen=True, eq=False)
class MatMul:
    """`weight` `[K, N]` int16, `bias` `[N]` int64 with the input's zero point folded in."""

    weight: Array
    bias: Array
    span: tuple[Array, Array]
    factor: Requantize
    out_zero_point: int
    clamp: tuple[float, float]

    @property
    def depth(self) -> int:
        """K."""
        return int(self.weight.shape[0])

    @property
    def groups(self) -> int:
        """Groups of four input channels, the last one completed with zeros."""
        return -(-self.depth // 4)

    @cached_property
    def offsets(self) -> Array | None:
        """int16 `[N]`: what is taken off each channel's weights so that they are bytes.

        Weights of uint8 files lie within 255 steps of each other, but not round 0. The sum of the
        activations times the offset is added again: see `sum_groups`. Zeros where all weights are
        bytes already; None where bytes do not hold them.
        """
        low, high = self.weight.min(axis=0), self.weight.max(axis=0)
        if low.min(initial=0) >= -128 and high.max(initial=0) <= 127:
            return np.zeros(low.shape, np.int16)
        fits = (low >= -127) & (high <= 127)
        offsets = np.where(fits, 0, (low.astype(np.int16) + high) // 2).astype(np.int16)
        narrow = self.weight - offsets
        if np.abs(offsets).max() > 127 or narrow.min() < -128 or narrow.max() > 127:
            return None
        return np.asarray(offsets, np.int16)

    def sum_groups(self, kind: str) -> int:
        """Groups of four sums of activations that follow the activations: one sum for every
        `SUM_WORDS` pairs, multiplied by the offsets. None where weights keep their 16 bits."""
        if kind == HALVES or self.offsets is None or not self.offsets.any():
            return 0
        return -(-self.groups * 2 // (SUM_WORDS * 4))

    def words_bytes(self, pixels: int, kind: str) -> int:
        """Bytes of the widened activations of a tile."""
        return (self.groups + self.sum_groups(kind)) * 8 * pixels

    def headers(self, kind: str, short: bool) -> tuple[str, ...]:
        """What `sums` and short records need."""
        sums = ("cortex_m_sums.h",) if self.sum_groups(kind) else ()
        return (*sums, "cortex_m_short.h") if short else sums

    def short(self, kind: str) -> Short | None:
        """The requantisation in records that take less flash, or None where there are none."""
        channels, bits = self._requantised(kind)
        return None if channels is None else short_of(channels, self.out_zero_point, bits)

    def _requantised(self, kind: str) -> tuple[Channels | None, int | Array]:
        """What the kernels of `kind` take, and the scale of their sums as a power of two."""
        if kind == QUADS:
            return self.quad_channels, self.scale_bits
        if self.has_common_shift(kind):
            assert self.common is not None
            return self.common
        return self.tile_channels, SCALE_BITS

    def sums(self, kind: str, pixels: int, *, split: bool = False) -> list[Call]:
        """What completes a tile's widened activations with their sums; `split` as in `stream`."""
        count, words, pairs = self.sum_groups(kind), At("scratch"), self.groups * 2
        if not count:
            return []
        blank = Call("edgemnv2_complete", (words, self.depth, pairs, pixels))
        return [*([blank] if split else []), Call("edgemnv2_sums", (words, pairs, count, pixels))]

    @cached_property
    def tile_channels(self) -> Channels | None:
        """The requantisation of tiles of pixels, at their fixed scale."""
        return channels_of(self.factor, self.span, self.out_zero_point, self.clamp)

    @cached_property
    def common(self) -> tuple[Channels, Array] | None:
        """The requantisation of "halves" with one shift of all channels, and the scales of their
        weights as powers of two; None where there is none."""
        bits = room_bits(self.weight)
        return common_shift(self.factor, self.span, self.out_zero_point, self.clamp, bits)

    @cached_property
    def _quad_choice(self) -> tuple[Channels | None, int]:
        for scale_bits in range(SCALE_BITS, 1, -1):
            channels = self.tile_channels if scale_bits == SCALE_BITS else None
            if channels is None:
                ends = self.span, self.out_zero_point, self.clamp
                channels = channels_of(self.factor, *ends, scale_bits, halves=True)
            if channels is not None:
                return channels, scale_bits
        return None, 0

    @property
    def quad_channels(self) -> Channels | None:
        """The requantisation at the largest scale that the sums leave room for.

        None for biases finer than a step of the sum: those are scaled after they are added up.
        """
        channels = self._quad_choice[0]
        return None if channels is not None and channels.has_fractions else channels

    @property
    def meets_halves(self) -> bool:
        """Whether the kernels must be those of halves that go to even."""
        return self.quad_channels is not None and self.quad_channels.halves is not None

    @property
    def scale_bits(self) -> int:
        """That scale, as a power of two."""
        return self._quad_choice[1]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The weight layouts that this product can have; none: other kernels must do it."""
        small = self.offsets is not None
        kinds = []
        fine = self.tile_channels is not None and self.tile_channels.has_fractions
        if self.tile_channels is not None:
            kinds += [BYTES] if small and not fine and self._pairs_fit() else []
            kinds.append(HALVES)
        if small and not fine and self.quad_channels is not None:
            kinds.append(QUADS)
        return tuple(kinds)

    @property
    def tile_kind(self) -> str:
        """The layout for tiles of pixels that saves flash where that costs little time."""
        if BYTES not in self.kinds:
            return HALVES
        # Summing up the activations takes as long as another channel or two.
        return HALVES if self.sum_groups(BYTES) and self.weight.shape[1] < _FEW else BYTES

    def _pairs_fit(self) -> bool:
        """Whether every two output channels' weights fit into `w0 + 256 * w1`, an int16."""
        narrow = _completed(np.concatenate(self._narrowed(self.weight)), 1, 2)
        first, second = narrow[:, 0::2], narrow[:, 1::2]
        both = first.astype(np.int32) + 256 * second.astype(np.int32)
        return bool(both.min() >= -(1 << 15) and both.max() < 1 << 15)

    def _narrowed(self, weight: Array) -> tuple[Array, Array]:
        """`weight` without its offsets, and the weights of the sums, `[4 * sum groups, N]`."""
        assert self.offsets is not None
        # A constant channel's weights are zeros, which need no offset.
        offsets = np.where(weight.any(axis=0), self.offsets, 0).astype(weight.dtype)
        sums = np.zeros((4 * self.sum_groups(BYTES), weight.shape[1]), weight.dtype)
        sums[: -(-self.groups * 2 // SUM_WORDS)] = offsets
        return weight - offsets, sums

    def tile_name(self, kind: str, pixels: int, channel_rows: bool, short: bool) -> str:
        """The kernel of `cortex_m_pointwise.h` or `cortex_m_short.h` that reads `stream`."""
        order = "ROWS" if channel_rows else "PIXELS"
        if short:
            words = self.short(kind)
            assert words is not None
            return f"edgemnv2_tile_{pixels}_{kind}_{words.kernel}_SHORT_{order}"
        channels = self.tile_channels
        assert channels is not None
        fix = "FIXED" if channels.sign_fix else "PLAIN"
        if self.has_common_shift(kind):
            fix = "COMMON"
        return f"edgemnv2_tile_{pixels}_{kind}_{fix}_{order}"

    def has_common_shift(self, kind: str) -> bool:
        """Whether the kernel shifts by a number in its code: activations then come unscaled."""
        return kind == HALVES and self.common is not None

    def stream(
        self,
        kind: str,
        stride: int,
        channel_rows: bool,
        *,
        split: bool = False,
        short: bool = False,
    ) -> Array:
        """The constants of `cortex_m_pointwise.h`, int32, for tiles of pixels.

        `split`: words hold two input channels that lie half of all channels apart, as the
        depthwise windows write them. `short`: with the records of `cortex_m_short.h`.
        """
        channels, bits = self._requantised(kind)
        scale = np.int64(1) << bits
        assert channels is not None
        words = self.short(kind) if short else None
        count = self.weight.shape[1]
        even = count + count % 2
        reduced, bias = channels.reduced(self.weight, self.bias)
        bias = bias if words is None else bias + words.bias
        if self.has_common_shift(kind):
            reduced = (reduced * scale).astype(np.int16)
        sums = np.zeros((0, count), np.int16)
        if kind != HALVES:
            reduced, sums = self._narrowed(reduced)
        weight, sums = _completed(reduced, 4, 2), _completed(sums, 4, 2)
        if split:
            half = -(-self.depth // 2)
            lower = np.zeros((self.groups * 2, even), np.int16)
            upper = np.zeros_like(lower)
            lower[:half] = weight[:half]
            upper[: self.depth - half] = weight[half : self.depth]
            pairs = np.stack([lower, upper], axis=1).reshape(-1, 2, even // 2, 2)
            pairs = np.concatenate([pairs, _pairs(sums)])
        else:
            pairs = _pairs(np.concatenate([weight, sums]))
        if kind == HALVES:
            bias = bias * scale + channels.fractions
        bias = np.pad(bias, (0, count % 2))
        first, second = bias[0::2], bias[1::2]
        if kind == BYTES:
            packed = (pairs[..., 0].astype(np.int32) + 256 * pairs[..., 1]).astype(np.int16)
            second = first + 256 * second
            # [N / 2, pairs, 2]
            packed = packed.transpose(2, 0, 1)
        else:
            # [N / 2, pairs, 2 output channels, 2 input channels]
            packed = pairs.transpose(2, 0, 3, 1)
        body = np.ascontiguousarray(packed).reshape(even // 2, -1).view(np.int32)
        biases = wrap(np.stack([first, second], axis=1))
        factors = np.pad(channels.words(), ((0, count % 2), (0, 0))).reshape(even // 2, 6)
        if words is not None:
            factors = words.pairs()
        records = np.concatenate([biases, body, factors], axis=1, dtype=np.int32)
        record_bytes = records.shape[1] * 4
        flags = SIGN_FIX * channels.sign_fix + CHANNEL_ROWS * channel_rows
        flags += ODD_CHANNELS * (count % 2)
        pairs_read = (self.groups + self.sum_groups(kind)) * 2
        header = [pairs_read, count // 2 * record_bytes, stride, flags | record_bytes << 8]
        return np.concatenate([np.array(header, np.int32), records.reshape(-1)])

    def quad_stream(self, step: int, *, short: bool = False) -> Array:
        """The constants of `edgemnv2_quads`, or of `edgemnv2_quads_short`, int32.

        `step` from one output to the next.
        """
        channels = self.quad_channels
        assert channels is not None
        count = self.weight.shape[1]
        blocks = -(-count // 4)
        # [N / 4, groups, 4 output channels, 4 input channels]
        reduced, biases = channels.reduced(self.weight, self.bias)
        reduced, sums = self._narrowed(reduced)
        weight = np.concatenate([_completed(reduced, 4, 4), _completed(sums, 4, 4)])
        groups = weight.shape[0] // 4
        weight = weight.astype(np.int8).reshape(groups, 4, blocks, 4)
        body = np.ascontiguousarray(weight.transpose(2, 0, 3, 1)).reshape(blocks, -1)
        header = [groups, count, SIGN_FIX * channels.sign_fix, self.scale_bits, step]
        brief = self.short(QUADS) if short else None
        if brief is not None:
            biases = biases + brief.bias
            header += [brief.twice, brief.half]
        bias = wrap(np.pad(biases, (0, -count % 4))).reshape(blocks, 4)
        words = np.pad(channels.words(), ((0, -count % 4), (0, 0))).reshape(blocks, 12)
        if brief is not None:
            multiplier, shifts = (
                np.pad(each, (0, -count % 4)).reshape(blocks, 4)
                for each in (brief.multiplier, brief.byte)
            )
            packed = np.ascontiguousarray(shifts, np.uint8).view(np.int32)
            words = np.concatenate([multiplier, packed], axis=1, dtype=np.int32)
        records = np.concatenate([bias, body.view(np.int32), words], axis=1, dtype=np.int32)
        return np.concatenate([np.array(header, np.int32), records.reshape(-1)])


def _completed(weight: Array, rows: int, columns: int) -> Array:
    depth, count = weight.shape
    return np.pad(weight, ((0, -depth % rows), (0, -count % columns)))


def _pairs(weight: Array) -> Array:
    """`[pairs, 2 input channels, N / 2, 2 output channels]` of `weight` `[4 * groups, N]`."""
    rows, columns = weight.shape
    ordered = weight.reshape(rows // 4, 4, columns)[:, GROUP]
    return ordered.reshape(-1, 2, columns // 2, 2)


def wrap(values: Array) -> Array:
    """int64 values modulo 2**32, as int32."""
    return (values & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def matmul_of(graph: Graph, layer: Conv2D) -> MatMul | None:
    """The matrix product of `layer`, or None where these kernels cannot compute it."""
    source, out = graph.tensor_in(layer), graph.tensor_out(layer)
    if layer.requantize is None or not int8_io(out) or source.quant is None:
        return None
    if not layer.is_plain:
        return None
    # Bytes of a uint8 image become int8 on the way into patches: only those are copied.
    flipped = source.dtype == "uint8" and layer.op != "pointwise"
    if source.dtype != "int8" and not flipped:
        return None
    if str(layer.weight.dtype) not in ("int8", "int16"):
        return None
    weight = np.ascontiguousarray(layer.weight.reshape(-1, layer.weight.shape[-1]), np.int16)
    if abs(weight.astype(np.int32)).max() > 255:
        return None
    assert out.quant is not None
    zero_point = int8_zero_point(source)
    bias = np.asarray(layer.bias, np.int64)
    product = MatMul(
        weight,
        folded_bias(bias, weight, zero_point),
        reachable(weight, bias, zero_point),
        layer.requantize,
        out.quant.zero_point,
        layer.clamp,
    )
    return product if product.kinds else None
