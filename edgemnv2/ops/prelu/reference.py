"""Rectifiers with learned slopes in NumPy. Source: TFLite `reference/prelu.h`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.fixed_point import multiply_by_quantized_multiplier
from edgemnv2.ops.graph import Graph, Layer
from edgemnv2.ops.prelu.layer import Prelu
from edgemnv2.ops.values import clamp_floats, quant_of

__all__ = ["run"]

Array = NDArray[Any]


def run(graph: Graph, layer: Layer, inputs: list[Array]) -> Array:
    """The output `[N, H, W, C]` of `layer`."""
    assert isinstance(layer, Prelu)
    x, target = inputs[0], graph.tensor_out(layer)
    if layer.rescale is None:
        out = np.where(x >= 0, x, x * layer.slope).astype(np.float32)
        clamp_floats(out, layer.clamp)
        return out
    steps = x.astype(np.int64) - quant_of(graph.tensor_in(layer)).zero_point
    above, below = (
        multiply_by_quantized_multiplier(values, factor.multiplier, factor.shift)
        for values, factor in zip((steps, steps * layer.slope), layer.rescale, strict=True)
    )
    total = np.where(steps >= 0, above, below) + quant_of(target).zero_point
    low, high = layer.clamp
    clipped: Array = np.clip(total, int(low), int(high)).astype(target.dtype)
    return clipped
