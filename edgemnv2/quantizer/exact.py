"""Scales with which TFLite's fixed-point arithmetic rounds just as real numbers do.

An ONNX runtime computes a quantised layer in float32 and rounds once. TFLite's arithmetic rounds
twice, which lifts the magnitude of an accumulator by `1 / (2 m)`, one half to one unit, before a
single rounding (`m` in [1/2, 1) is the mantissa of the factor). So a few outputs in a thousand
differ by one step, and since every later rounding is a new chance to differ, after ten layers the
two networks' rounding errors have nothing in common: MobileNetV2's classes then differ for 4 in
100 images. Making differences rare does not help. There must be none, and there are none if no
accumulator lies between a threshold `T = (j + 1/2) n` and `T - 1 / (2 m)`, where `1 / n` is the
factor `input scale * weight scale / output scale`. A layer gets weight scales for which `n` is a
whole number:

`positive`  Outputs below zero are cut off, and the bias is one less than the file's (`lift` in
            `passes.tflite_arithmetic`). With n odd, thresholds lie halfway between accumulators.
`once`      A linear layer rounds once (`Requantize.single_rounding`), as LiteRT's FULLY_CONNECTED
            does: n odd, so that there are no ties. Rounded twice, negative outputs would be lifted
            the other way, and only even weights (7 bits) keep both signs apart from the thresholds;
            that costs MobileNetV2 half a decibel of signal to noise. n is such that two roundings
            of one accumulator less come to the same, which is what a Cortex-M55 computes.

The nearest accumulator is half a unit away from every threshold: `1 / (2 n)` of an output
step at least, far above float32's own errors (about 1e-5 of a step). Sums and pooling have few
enough inputs to be compared one by one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    multiply_by_quantized_multiplier,
    one_less_rounds_once,
)
from edgemnv2.arithmetic.tflite import (
    ADD_LEFT_SHIFT,
    add_rescale,
    clamp_limits,
    dense_requantize,
    mean_requantize,
)
from edgemnv2.model import QuantParams
from edgemnv2.ops.add import reference as add_reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Tensor
from edgemnv2.ops.pool.layer import GlobalAveragePool
from edgemnv2.quantizer.float_graph import Convolution

__all__ = [
    "LARGEST_FACTOR",
    "Rounding",
    "add_target",
    "exact_scale",
    "pool_targets",
    "rounding_of",
]

Array = NDArray[Any]
Rounding = Literal["positive", "once"]

LARGEST_FACTOR = 1 / 3
"""The least n is 3: all shift right, as the kernels' short forms need."""
LARGEST_N = 4096
"""Float32's errors stay below a tenth of `1 / (2 n)`; only nearly dead channels have more."""
LARGEST_OUTPUT = 256
"""Steps between an output and its zero point."""
NUDGE, NUDGES = 1e-4, 200
"""Of a sum's scale, until all 65,536 pairs of inputs round alike."""
WIDEST_POOL = 1.5
"""Largest change of a pooled tensor's scale."""


def rounding_of(layer: Convolution) -> Rounding:
    """Which of the rules above `layer` follows."""
    return "positive" if layer.clamp[0] >= 0 else "once"


def exact_scale(
    scale: Array, source: QuantParams, target: QuantParams, rounding: Rounding
) -> Array:
    """The next larger weight scales for which n is whole and of the right kind, float32 `[C]`.

    `scale` must keep every factor at or below `LARGEST_FACTOR`.
    """
    most = np.minimum(target.scale / (source.scale * scale.astype(np.float64)), LARGEST_N)
    # A factor that is exactly the largest may come out a little below its n.
    most = most * (1 + 1e-9)
    n = 2 * np.floor((most - 1) / 2) + 1
    result = np.empty(n.shape, np.float32)
    left = np.ones(n.shape, bool)
    while left.any():
        if n[left].min() < 3:
            raise AssertionError(f"a requantisation factor is above {LARGEST_FACTOR:g}")
        result[left] = target.scale / (source.scale * n[left])
        if rounding == "once":
            factor = dense_requantize(source, result, target, len(result))
            left &= ~one_less_rounds_once(factor.multiplier, factor.shift)
        else:
            left &= ~_rounds_alike(target.scale / (source.scale * result.astype(np.float64)))
        n[left] -= 2
    return result


def _rounds_alike(n: Array) -> Array:
    """Whether one and two roundings by the factors `1 / n` are the same, bool `[C]`.

    `n` is what float32 scales make of a whole number. Where the lift is close to one half, large
    outputs would cross over.
    """
    thresholds = n[:, np.newaxis] * (np.arange(LARGEST_OUTPUT) + 0.5)
    lift = 1 / (2 * np.frexp(1 / n)[0])[:, np.newaxis]
    alike = np.ceil(thresholds - lift + 1) == np.ceil(thresholds)
    return np.asarray(alike.all(axis=1))


def add_target(layer: Add, sources: tuple[Tensor, Tensor], target: Tensor) -> QuantParams:
    """The quantisation of a sum, widened a little until every pair of inputs rounds alike.

    Compared with dequantise, add, clamp, quantise in float32, operation by operation. `layer` is
    the float one, `target` has the wanted quantisation.
    """
    quant = _of(target)
    a, b = (np.arange(-128, 128, dtype=np.int8) for _ in range(2))
    pairs = [x.reshape(1, 256, 256, 1) for x in np.meshgrid(a, b, indexing="ij")]
    first, second = (_real(x, _of(source)) for x, source in zip(pairs, sources, strict=True))
    bottom, top = (np.float32(end) for end in layer.clamp)
    total = np.clip(first + second, bottom, top)
    for nudge in range(NUDGES):
        scale = float(np.float32(quant.scale * (1 + nudge * NUDGE)))
        wanted = QuantParams(scale, quant.zero_point)
        integer = replace(
            layer,
            clamp=clamp_limits(layer.clamp, wanted, "int8"),
            left_shift=ADD_LEFT_SHIFT,
            rescale=add_rescale(_of(sources[0]), _of(sources[1]), wanted),
        )
        ours = add_reference.add(
            integer, pairs[0], pairs[1], sources, replace(target, quant=wanted)
        )
        theirs = np.rint(total / np.float32(scale)) + wanted.zero_point
        if np.array_equal(ours, np.clip(theirs, -128, 127)):
            return wanted
    return quant


def pool_targets(
    layer: GlobalAveragePool, source: Tensor, target: QuantParams
) -> Iterator[QuantParams]:
    """Quantisations near `target` for which the mean of every map rounds alike; maybe none.

    The sum of the map is the accumulator. n is even here, and the factor a trifle above `1 / n`: so
    a tie goes away from zero in floats too. The trifle is as large as the lift leaves room for.
    """
    x = _of(source)
    count = source.height * source.width
    limits = clamp_limits(layer.clamp, target, "int8")
    wanted = target.scale * count / x.scale
    largest = count * max(127 - x.zero_point, 128 + x.zero_point)
    sums = np.arange(largest + 1, dtype=np.int64)
    for n in range(2 * math.ceil(wanted / WIDEST_POOL / 2), int(wanted * WIDEST_POOL) + 1, 2):
        if n < 2:
            continue
        factor = mean_requantize(x, QuantParams(n * x.scale / count, 0), count)
        mantissa = float(factor.multiplier[0]) / 2**31
        room = 1 - 1 / (2 * mantissa)
        if room <= 0:
            continue
        excess = 0.4 * room / (n * LARGEST_OUTPUT)
        scale = float(np.float32(n * (1 - excess) * x.scale / count))
        quant = QuantParams(scale, target.zero_point)
        factor = mean_requantize(x, quant, count)
        ours = multiply_by_quantized_multiplier(sums, factor.multiplier, factor.shift)
        theirs = np.rint(sums * (x.scale / (count * scale)))
        inside = theirs <= max(limits[1] - target.zero_point, target.zero_point - limits[0])
        if np.array_equal(ours[inside], theirs[inside]):
            yield quant


def _of(tensor: Tensor) -> QuantParams:
    assert tensor.quant is not None
    return tensor.quant


def _real(stored: Array, quant: QuantParams) -> Array:
    return (stored.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
