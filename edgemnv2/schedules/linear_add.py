"""TFLite's ADD of two int8 tensors as one linear form of the two bytes.

TFLite shifts both operands left, rescales each, adds, and rescales the sum: three multiplications
with double rounding. A sum has only 65,536 cases, so a form that is much shorter,

    (a * first + b * second + offset) >> shift,   clamped,

can be proven right for a given layer by trying them all. It is used where that succeeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Graph

__all__ = ["LinearAdd", "linear_add"]

BYTES = np.arange(-128, 128, dtype=np.int64)
MOST_NUDGE = 6
"""Changes of a rounded factor that are tried."""


@dataclass(frozen=True)
class LinearAdd:
    """`(a * first + b * second + offset) >> shift` in int32, then the clamp."""

    first: int
    second: int
    offset: int
    shift: int


def linear_add(graph: Graph, layer: Add) -> LinearAdd | None:
    """The form that gives TFLite's result for all operands of `layer`, or None."""
    tensors = [graph.tensor_in(layer, 0), graph.tensor_in(layer, 1), graph.tensor_out(layer)]
    if layer.rescale is None or any(t.dtype != "int8" or t.quant is None for t in tensors):
        return None
    zeros = [t.quant.zero_point for t in tensors if t.quant is not None]
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
    return None


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
