"""The integer sum that the quantiser makes of a float one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic import onnx
from edgemnv2.arithmetic.tflite import ADD_LEFT_SHIFT, add_rescale, clamp_limits
from edgemnv2.model import QuantParams
from edgemnv2.ops.add import reference
from edgemnv2.ops.add.layer import Add
from edgemnv2.ops.graph import Tensor

__all__ = ["integer", "target"]

Array = NDArray[Any]

NUDGE, NUDGES = 1e-4, 200
"""Of the scale, until all 65,536 pairs of inputs round alike."""


def target(
    layer: Add, sources: Sequence[Tensor], wanted: Tensor, error: Callable[[QuantParams], float]
) -> QuantParams:
    """The quantisation of the sum, widened a little until every pair of inputs rounds alike.

    Rounded as TFLite does, compared with dequantise, add, clamp, quantise in float32, operation by
    operation.
    """
    del error
    quant = wanted.known_quant
    a, b = (np.arange(-128, 128, dtype=np.int8) for _ in range(2))
    pairs = [x.reshape(1, 256, 256, 1) for x in np.meshgrid(a, b, indexing="ij")]
    first, second = (_real(x, y.known_quant) for x, y in zip(pairs, sources, strict=True))
    bottom, top = (np.float32(end) for end in layer.clamp)
    total = np.clip(first + second, bottom, top)
    for nudge in range(NUDGES):
        scale = float(np.float32(quant.scale * (1 + nudge * NUDGE)))
        nudged = QuantParams(scale, quant.zero_point)
        out = replace(wanted, quant=nudged)
        ours = reference.add(
            _as_tflite(layer, sources, out), pairs[0], pairs[1], (sources[0], sources[1]), out
        )
        theirs = np.rint(total / np.float32(scale)) + nudged.zero_point
        if np.array_equal(ours, np.clip(theirs, -128, 127)):
            return nudged
    return quant


def integer(layer: Add, sources: Sequence[Tensor], out: Tensor) -> Add:
    """ONNX's sum of what `sources` store."""
    quant = out.known_quant
    a, b = (x.known_quant for x in sources)
    return replace(
        layer,
        clamp=onnx.clamp_limits(layer.clamp, quant, "int8"),
        rescale=onnx.add_rescale(a, b, quant, ("int8", "int8")),
    )


def _as_tflite(layer: Add, sources: Sequence[Tensor], out: Tensor) -> Add:
    quant = out.known_quant
    a, b = (x.known_quant for x in sources)
    return replace(
        layer,
        clamp=clamp_limits(layer.clamp, quant, "int8"),
        left_shift=ADD_LEFT_SHIFT,
        rescale=add_rescale(a, b, quant),
    )


def _real(stored: Array, quant: QuantParams) -> Array:
    return (stored.astype(np.float32) - np.float32(quant.zero_point)) * np.float32(quant.scale)
