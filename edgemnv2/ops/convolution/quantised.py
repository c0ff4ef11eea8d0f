"""The integer convolution that the quantiser makes of a float one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemnv2.arithmetic.tflite import (
    clamp_limits,
    convolution_requantize,
    dense_requantize,
    lift,
)
from edgemnv2.ops.convolution.layer import Convolution
from edgemnv2.ops.graph import Tensor

__all__ = ["StoredWeights", "integer"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class StoredWeights:
    """int8 `values` at `scale`, float32 `[C]`; the `bias` is real, float64 `[C]`.

    `rounds_once`: as LiteRT's FULLY_CONNECTED, not as its convolutions.
    """

    values: Array
    scale: Array
    bias: Array
    rounds_once: bool


def integer(
    layer: Convolution, sources: Sequence[Tensor], out: Tensor, weights: StoredWeights
) -> Convolution:
    """TFLite's sum of products, whose bias makes up for what rounding twice adds."""
    source, quant = sources[0].known_quant, out.known_quant
    clamp = clamp_limits(layer.clamp, quant, "int8")
    requantize = dense_requantize if weights.rounds_once else convolution_requantize
    factor = requantize(source, weights.scale, quant, len(weights.scale))
    step = np.float64(source.scale) * weights.scale.astype(np.float64)
    stored = np.rint(weights.bias / step)
    stored -= lift(factor, clamp, quant)
    return replace(
        layer,
        weight=weights.values,
        bias=np.clip(stored, -(2**31), 2**31 - 1).astype(np.int32),
        clamp=clamp,
        requantize=factor,
    )
