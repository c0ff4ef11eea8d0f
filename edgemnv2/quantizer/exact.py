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
enough inputs to be compared one by one (`ops/add/quantised.py`, `ops/pool/quantised.py`).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import (
    one_less_rounds_once,
)
from edgemnv2.arithmetic.tflite import (
    dense_requantize,
)
from edgemnv2.model import QuantParams
from edgemnv2.ops.convolution.layer import Convolution, TransposedConv2D

__all__ = [
    "LARGEST_FACTOR",
    "Rounding",
    "exact_scale",
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


def rounding_of(layer: Convolution | TransposedConv2D) -> Rounding:
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
