"""TFLite's ADD of two int8 tensors as one linear form of the two bytes.

TFLite shifts both operands left, rescales each, adds, and rescales the sum: three multiplications
with double rounding. A sum has only 65,536 cases, so a form that is much shorter,

    (a * first + b * second + offset) >> shift,   clamped,

can be proven right for a given layer by trying them all. It is used where that succeeds.

Where two sums meet a half, one on either side of zero, TFLite moves both away from it; then one
number more is taken off below zero, by families that can (`signed`).

ONNX's sum has this form as it stands; if halves occur, they take one more step to go to even.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph
from edgemnv2.tir.builder import Builder, constant

__all__ = ["LinearAdd", "linear_add"]

Expr = Any
BYTES = np.arange(-128, 128, dtype=np.int64)
MOST_NUDGE = 6
"""Changes of a rounded factor that are tried."""


@dataclass(frozen=True)
class LinearAdd:
    """`(a * first + b * second + offset) >> shift` in int32, then the clamp.

    `below` is taken off first where the sum without `centre` is negative.
    `even`: of that value times `2**shift`, one less is rounded where the value would be even, and
    `zero_point` comes last: halves go to even.
    """

    first: int
    second: int
    offset: int
    shift: int
    # Not in the text that names kernels: `facts` are.
    even: bool = field(default=False, repr=False)
    zero_point: int = field(default=0, repr=False)
    below: int = field(default=0, repr=False)
    centre: int = field(default=0, repr=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What of halves shapes the code."""
        if self.below:
            return {"below": (self.below, self.centre)}
        return {"even": self.zero_point} if self.even else {}

    def emit(self, k: Builder, a: Expr, b: Expr, lanes: int) -> Expr:
        """The sums of int32 vectors, zero point included, not clamped."""

        def number(value: int) -> Expr:
            return constant(value, "int32", lanes)

        total = a * number(self.first) + number(self.offset)
        total = total + b * number(self.second)
        if self.below:
            total = k.let(total)
            negative = (total - number(self.centre)) >> number(31)
            total = total - (negative & number(self.below))
        if not self.even:
            return k.let(total >> number(self.shift))
        # Half a step is in the offset; where the whole part is even, one less.
        total = k.let(total)
        exact = k.let(total - number(1 << (self.shift - 1)))
        odd = (exact >> number(self.shift)) & number(1)
        rounded = (total + (odd - number(1))) >> number(self.shift)
        return k.let(rounded + number(self.zero_point))


def linear_add(graph: Graph, layer: Add, *, signed: bool = False) -> LinearAdd | None:
    """The form that gives TFLite's result for all operands of `layer`, or None.

    `signed`: it may have a number `below`.
    """
    tensors = [graph.tensor_in(layer, 0), graph.tensor_in(layer, 1), graph.tensor_out(layer)]
    if layer.rescale is None or any(t.dtype != "int8" or t.quant is None for t in tensors):
        return None
    zeros = [t.quant.zero_point for t in tensors if t.quant is not None]
    if layer.is_real:
        return _real(layer, zeros)
    wanted = _tflite(layer, zeros)
    reals = [float(r.multiplier[0]) * 2.0 ** (int(r.shift[0]) - 31) for r in layer.rescale]
    factors = [reals[n] * reals[2] * 2.0**layer.left_shift for n in (0, 1)]
    largest = 128 * sum(factors) + sum(abs(f * z) for f, z in zip(factors, zeros, strict=False))
    # The sum, its offset and a half have to stay below 2**31.
    shift = int(np.floor(np.log2((2.0**31 - 2**24) / (largest + abs(zeros[2]) + 1))))
    if not 1 <= shift <= 30:
        return None
    offset = zeros[2] - sum(f * z for f, z in zip(factors, zeros, strict=False))
    base = round((offset + 0.5) * 2.0**shift)
    scaled = [round(f * 2.0**shift) for f in factors]
    nudges = product(range(-MOST_NUDGE, MOST_NUDGE + 1), repeat=2)
    for one, two in sorted(nudges, key=lambda n: abs(n[0]) + abs(n[1])):
        first, second = scaled[0] + one, scaled[1] + two
        # A changed factor turns about the operand's zero point.
        centred = base - one * zeros[0] - two * zeros[1]
        sums = BYTES[:, None] * first + BYTES[None, :] * second + centred
        nudge = _nudge(sums, wanted, shift, int(layer.clamp[0]), int(layer.clamp[1]))
        if nudge is not None and np.abs(sums + nudge).max() < 1 << 31:
            return LinearAdd(first, second, centred + nudge, shift)
    if not signed:
        return None
    # The factors as they are: what is wrong is the halves alone.
    first, second = scaled
    sums = BYTES[:, None] * first + BYTES[None, :] * second
    negative = sums < first * zeros[0] + second * zeros[1]
    ends = (int(layer.clamp[0]), int(layer.clamp[1]))
    parts = [_nudge(sums[x] + base, wanted[x], shift, *ends) for x in (~negative, negative)]
    if parts[0] is None or parts[1] is None or parts[1] > parts[0]:
        return None
    centre = base + parts[0] + first * zeros[0] + second * zeros[1]
    if np.abs(sums + (base + parts[0])).max() + parts[0] - parts[1] + abs(centre) >= 1 << 31:
        return None
    below = parts[0] - parts[1]
    return LinearAdd(first, second, base + parts[0], shift, below=below, centre=centre)


def _real(layer: Add, zeros: list[int]) -> LinearAdd | None:
    """ONNX's sum in int32, or None where its factors are too long for that."""
    assert layer.rescale is not None
    first, second = (int(factor.multiplier[0]) for factor in layer.rescale)
    shift = 31 - int(layer.rescale[0].shift[0])
    if not 1 <= shift <= 30:
        return None
    more = layer.rescale[0].addend
    base = -zeros[0] * first - zeros[1] * second + (0 if more is None else int(more[0]))
    half = 1 << (shift - 1)
    products = BYTES[:, None] * first + BYTES[None, :] * second + base
    even = bool(((products & ((1 << shift) - 1)) == half).any())
    offset = base + half + (0 if even else zeros[2] << shift)
    # No sum leaves int32, in the order of `emit` and in any other that begins with a product.
    moved = [
        np.abs(BYTES[:, None] * first + offset),
        np.abs(BYTES * second + offset),
        np.abs(products) + abs(offset - base),
    ]
    if max(int(x.max()) for x in moved) >= 1 << 31:
        return None
    return LinearAdd(first, second, offset, shift, even, zeros[2] if even else 0)


def _nudge(
    sums: NDArray[np.int64], wanted: NDArray[np.int64], shift: int, low: int, high: int
) -> int | None:
    """What to add to all `sums` so that shifted and clamped they are `wanted`, or None."""
    # sums + nudge lies in [wanted << shift, (wanted + 1) << shift), unless the clamp helps.
    least = np.where(wanted > low, (wanted << shift) - sums, np.iinfo(np.int64).min).max()
    most = np.where(wanted < high, ((wanted + 1) << shift) - 1 - sums, np.iinfo(np.int64).max).min()
    if least > most:
        return None
    return int(np.clip(0, least, most))


def _tflite(layer: Add, zeros: list[int]) -> NDArray[np.int64]:
    """TFLite's result for every pair of operands, `[a + 128, b + 128]`."""
    assert layer.rescale is not None
    tables = [
        multiply_by_quantized_multiplier(
            (BYTES - zeros[n]) << layer.left_shift,
            layer.rescale[n].multiplier,
            layer.rescale[n].shift,
        )
        for n in (0, 1)
    ]
    total = tables[0][:, None] + tables[1][None, :]
    factor = layer.rescale[2]
    total = multiply_by_quantized_multiplier(total, factor.multiplier, factor.shift) + zeros[2]
    return np.asarray(np.clip(total, int(layer.clamp[0]), int(layer.clamp[1])), np.int64)
