"""The integer mean that the quantiser makes of a float one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.arithmetic.tflite import clamp_limits, mean_requantize
from edgemnv2.model import QuantParams
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool

__all__ = ["integer", "target", "targets"]

WIDEST = 1.5
"""Largest change of the scale."""
LARGEST_OUTPUT = 256
"""Steps between an output and its zero point."""


def target(
    layer: GlobalAveragePool,
    sources: Sequence[Tensor],
    wanted: Tensor,
    error: Callable[[QuantParams], float],
) -> QuantParams:
    """The one of `targets` that loses least; `wanted` where there is none."""
    found = targets(layer, sources[0], wanted.known_quant)
    return min(found, key=error, default=wanted.known_quant)


def targets(layer: GlobalAveragePool, source: Tensor, wanted: QuantParams) -> Iterator[QuantParams]:
    """Quantisations near `wanted` for which the mean of every map rounds alike; maybe none.

    The sum of the map is the accumulator. n, the reciprocal of the factor, is even here, and the
    factor a trifle above `1 / n`: so a tie goes away from zero in floats too. The trifle is as
    large as the lift of rounding twice leaves room for (`quantizer.exact`).
    """
    x = source.known_quant
    count = source.height * source.width
    limits = clamp_limits(layer.clamp, wanted, "int8")
    middle = wanted.scale * count / x.scale
    largest = count * max(127 - x.zero_point, 128 + x.zero_point)
    sums = np.arange(largest + 1, dtype=np.int64)
    for n in range(2 * math.ceil(middle / WIDEST / 2), int(middle * WIDEST) + 1, 2):
        if n < 2:
            continue
        factor = mean_requantize(x, QuantParams(n * x.scale / count, 0), count)
        mantissa = float(factor.multiplier[0]) / 2**31
        room = 1 - 1 / (2 * mantissa)
        if room <= 0:
            continue
        excess = 0.4 * room / (n * LARGEST_OUTPUT)
        scale = float(np.float32(n * (1 - excess) * x.scale / count))
        quant = QuantParams(scale, wanted.zero_point)
        factor = mean_requantize(x, quant, count)
        ours = multiply_by_quantized_multiplier(sums, factor.multiplier, factor.shift)
        theirs = np.rint(sums * (x.scale / (count * scale)))
        inside = theirs <= max(limits[1] - wanted.zero_point, wanted.zero_point - limits[0])
        if np.array_equal(ours[inside], theirs[inside]):
            yield quant


def integer(layer: GlobalAveragePool, sources: Sequence[Tensor], out: Tensor) -> GlobalAveragePool:
    """ONNX's mean of what its source stores."""
    (source,) = sources
    factor = onnx.mean_requantize(source.known_quant, out.known_quant, source.height * source.width)
    return replace(
        layer, clamp=onnx.clamp_limits(layer.clamp, out.known_quant, "int8"), requantize=factor
    )
